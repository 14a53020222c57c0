import type { EncodedMessage } from './encoded-message.ts'
import type { Handover } from './handover.ts'
import { Laggards } from './laggards.ts'

/** Holds messages that are to be written together. */
interface Flushable {
  flush(): void
  /** Something went wrong: whatever follows would leave a gap. */
  abort(): void
}

/**
 * Writes what has gathered in outboxes, once for each connection, as soon as what runs now has ended: a read from the
 * store, however much it brought, or a loop of sends. A lone message waits for nothing else, not even for the next read.
 * Writing takes at most two thirds of the node's time, though: where it would take more, a round begins later, and more
 * goes into each write.
 */
export class Flusher {
  readonly laggards = new Laggards()
  readonly #onError: (error: unknown) => void
  #dirty: Flushable[] = []
  /** What was handed over in this round. */
  #waiting: { readonly handover: Handover; readonly done: () => void }[] = []
  #notBefore = 0
  #run = new SharedRun()
  /** The one before: some of those who get the same messages may get them compressed. */
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
   * Calls back once the kernel has taken what was handed over, for every connection that has not closed meanwhile, nor
   * lagged for 250 ms.
   */
  whenTaken(handover: Handover, done: () => void): void {
    if (this.#dirty.length === 0) handover.whenFree(done)
    else this.#waiting.push({ handover, done })
  }

  /** The bytes of messages that are written together: the same bytes for all who get the same messages in a row. */
  join(messages: readonly EncodedMessage[]): Buffer {
    if (messages.length === 1) return messages[0]!.bytes
    if (!this.#run.isOf(messages)) {
      ;[this.#run, this.#otherRun] = [this.#otherRun, this.#run]
      if (!this.#run.isOf(messages)) this.#run.join(messages)
    }
    return this.#run.bytes
  }

  /** Writes now what else would be written in a moment. */
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

  /** Writes one connection's now. What goes wrong with it is not the others' loss. */
  write(outbox: Flushable): void {
    try {
      outbox.flush()
    } catch (error) {
      outbox.abort()
      this.#onError(error)
    }
  }
}

/** Of the time that a round of writing took. */
const PAUSE_SHARE = 0.5
/** ms; a timer cannot wait for less. */
const SHORTEST_PAUSE = 1
/** ms that a message may wait for those ahead of it to be written. */
const LONGEST_PAUSE = 20

/** Remembers a run of messages that was joined: in a burst of broadcasts it is the same one for everyone. */
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
