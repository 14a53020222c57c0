import type { Handover } from './handover.ts'
import { Laggards } from './laggards.ts'
import type { EncodedMessage } from './outbound-message.ts'

/** The messages of one connection that will be written together. */
interface Flushable {
  flush(): void
  /** Ends the connection after an error, because later messages would leave a gap. */
  abort(): void
}

/**
 * Writes the messages that have gathered in outboxes, with one write per connection, as soon as the running code has
 * ended, such as the handling of one read from the store or a loop of sends. A lone message therefore waits for nothing
 * else, not even for the next read. Writing takes at most two thirds of the node's time: after a long round the next
 * one begins later, and each of its writes carries more.
 */
export class Flusher {
  readonly laggards = new Laggards()
  readonly #onError: (error: unknown) => void
  #dirty: Flushable[] = []
  /** Handovers of this round: they can only be checked once the round is written. */
  #waiting: { readonly handover: Handover; readonly done: () => void }[] = []
  #notBefore = 0
  #run = new SharedRun()
  /**
   * The run before `#run`: in a burst, receivers that get the plain messages alternate with receivers that get them
   * compressed.
   */
  #otherRun = new SharedRun()

  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError
  }

  add(outbox: Flushable): void {
    if (this.#dirty.push(outbox) > 1) return
    const pause = this.#notBefore - performance.now()
    if (pause < SHORTEST_PAUSE) queueMicrotask(this.flush)
    else setTimeout(this.flush, pause)
  }

  /**
   * Calls back once the kernel has taken the handover's messages for every connection, except for connections that have
   * closed meanwhile or lagged for 250 ms.
   */
  whenTaken(handover: Handover, done: () => void): void {
    if (this.#dirty.length === 0) handover.whenFree(done)
    else this.#waiting.push({ handover, done })
  }

  /**
   * Joins messages that are written together. Receivers of the same messages share the same bytes if they are written
   * one after another.
   */
  join(messages: readonly EncodedMessage[]): Buffer {
    if (messages.length === 1) return messages[0]!.bytes
    if (!this.#run.isOf(messages)) {
      ;[this.#run, this.#otherRun] = [this.#otherRun, this.#run]
      if (!this.#run.isOf(messages)) this.#run.join(messages)
    }
    return this.#run.bytes
  }

  /** Writes now everything that would be written in a moment. */
  readonly flush = (): void => {
    const begin = performance.now()
    const [dirty, waiting] = [this.#dirty, this.#waiting]
    this.#dirty = []
    this.#waiting = []
    for (const outbox of dirty) this.write(outbox)
    this.#run.forget()
    this.#otherRun.forget()
    const end = performance.now()
    this.#notBefore = end + Math.min((end - begin) * PAUSE_SHARE, LONGEST_PAUSE)
    for (const { handover, done } of waiting) handover.whenFree(done)
  }

  /** Writes one connection's messages now. An error ends that connection and must not affect others. */
  write(outbox: Flushable): void {
    try {
      outbox.flush()
    } catch (error) {
      outbox.abort()
      this.#onError(error)
    }
  }
}

/** How long the pause after a round is, as a share of the time that the round took. */
const PAUSE_SHARE = 0.5
/** ms; a timer cannot wait for less. */
const SHORTEST_PAUSE = 1
/** ms that a message may wait for those ahead of it to be written. */
const LONGEST_PAUSE = 20

/** Remembers the last run of messages that was joined: in a burst of broadcasts, everybody gets the same run. */
class SharedRun {
  #messages: readonly EncodedMessage[] = []
  #bytes: Buffer = Buffer.alloc(0)

  get bytes(): Buffer {
    return this.#bytes
  }

  join(messages: readonly EncodedMessage[]): void {
    this.#messages = messages
    this.#bytes = Buffer.concat(messages.map(({ bytes }) => bytes))
  }

  forget(): void {
    this.#messages = []
    this.#bytes = Buffer.alloc(0)
  }

  isOf(messages: readonly EncodedMessage[]): boolean {
    const known = this.#messages
    if (messages.length !== known.length) return false
    for (let index = 0; index < messages.length; index++) if (messages[index] !== known[index]) return false
    return true
  }
}
