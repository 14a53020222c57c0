import { Backlog, type OverflowRules, type Taken } from './backlog.ts'
import type { Flusher } from './flusher.ts'
import { Lag } from './lag.ts'
import type { EncodedMessage, OutboundMessage } from './outbound-message.ts'
import type { Transport } from './transport.ts'

/** Bytes that one write carries, roughly. Larger buffers would only be held longer by slow clients. */
const MAX_RUN = 64 * 1024

const NONE: readonly EncodedMessage[] = Object.freeze([])

/**
 * The messages on their way to one connection: those of the current tick, which the flusher writes together, and a
 * backlog if the client cannot take them now. An idle outbox holds nothing.
 */
export class Outbox {
  readonly #flusher: Flusher
  readonly #rules: OverflowRules
  #transport: Transport | undefined
  #messages: EncodedMessage[] | undefined
  #byteCount = 0
  #backlog: Backlog | undefined
  #lag: Lag | undefined

  constructor(flusher: Flusher, rules: OverflowRules) {
    this.#flusher = flusher
    this.#rules = rules
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedAmount(): number {
    return this.#byteCount + (this.#backlog?.byteCount ?? 0) + this.#ahead
  }

  /**
   * Whether a close frame was sent or received, or the client broke the protocol: no message may follow (RFC 6455
   * §5.5.1).
   */
  get isClosing(): boolean {
    return this.#transport !== undefined && this.#transport.isClosing
  }

  push(message: OutboundMessage): Taken {
    const encoded = this.encode(message)
    if (this.#transport === undefined || this.#backlog !== undefined) {
      this.#backlog ??= new Backlog(this.#rules)
      const taken = this.#backlog.add(encoded, this.#ahead)
      if (taken === 'kept') this.#lagging.hold(encoded)
      return taken
    }
    this.#byteCount += encoded.bytes.length
    if (this.#messages === undefined) {
      this.#messages = [encoded]
      this.#flusher.add(this)
    } else {
      this.#messages.push(encoded)
    }
    if (this.#byteCount > MAX_RUN) this.#flusher.write(this)
    return 'kept'
  }

  /** Encodes the message in the form that the client gets: the plain frame, until the transport is open. */
  encode(message: OutboundMessage): EncodedMessage {
    return this.#transport === undefined ? message.frame : this.#transport.encode(message)
  }

  /**
   * From now on messages go out over the transport. Messages that have waited for it go first, in the form that they
   * have.
   */
  open(transport: Transport): void {
    this.#transport = transport
    this.#drain()
  }

  /**
   * Writes the messages of this tick. The flusher calls it when the tick has ended, or earlier if there is much to
   * write.
   */
  flush(): void {
    if (this.#messages === undefined || !this.#isWritable) return
    const messages = this.#messages
    this.#messages = undefined
    this.#byteCount = 0
    this.#write(messages)
    if (this.#isStalled) this.#awaitDrain()
  }

  /** Hands everything to the transport before it closes. */
  finish(): void {
    if (!this.#isWritable) return
    this.flush()
    const rest = this.#backlog?.take(Number.POSITIVE_INFINITY) ?? []
    this.#backlog = undefined
    if (rest.length > 0) this.#write(rest)
  }

  /** Hands over everything that waits, then closes the transport. If the transport is not open yet, nothing happens. */
  end(code: number, reason: string): void {
    this.finish()
    this.#transport?.close(code, reason)
  }

  /** Takes out the messages that the transport was not given yet. */
  empty(): readonly EncodedMessage[] {
    if (this.#messages === undefined && this.#backlog === undefined) return NONE
    const rest = [...(this.#messages ?? NONE), ...(this.#backlog?.take(Number.POSITIVE_INFINITY) ?? NONE)]
    this.#messages = undefined
    this.#byteCount = 0
    this.#backlog = undefined
    return rest
  }

  /** The transport has closed: returns the messages that the kernel has not taken. */
  close(): readonly EncodedMessage[] {
    const rest = this.empty()
    const lag = this.#lag
    if (lag === undefined) return rest
    this.#catchUp()
    return this.#transport === undefined || this.#transport.isDelivered ? rest : [...lag.unsent, ...rest]
  }

  /** Ends the connection after an error, because later messages would leave a gap. */
  abort(): void {
    this.#transport?.abort()
  }

  /**
   * `awaited`: a handover may wait for the connection. `late`: the connection has lagged for too long, so none does.
   */
  checkLag(now: number): 'none' | 'awaited' | 'late' {
    if (this.#lag === undefined) return 'none'
    if (this.#transport !== undefined && this.#ahead === 0 && this.#backlog === undefined) {
      this.#catchUp()
      return 'none'
    }
    if (!this.#lag.isOver && this.#lag.isOverdue(now)) {
      this.#rules.counters.laggedCount++
      this.#lag.giveUp()
    }
    return this.#lag.isOver ? 'late' : 'awaited'
  }

  /** Bytes that the transport was given and that the kernel has not taken. */
  get #ahead(): number {
    return this.#transport === undefined ? 0 : this.#transport.unsentLength
  }

  get #isStalled(): boolean {
    return this.#transport?.isStalled === true
  }

  get #isWritable(): boolean {
    return this.#transport?.isWritable === true
  }

  get #lagging(): Lag {
    if (this.#lag === undefined) {
      this.#lag = new Lag()
      this.#flusher.laggards.add(this)
    }
    return this.#lag
  }

  #catchUp(): void {
    const lag = this.#lag
    this.#lag = undefined
    lag?.release()
  }

  #write(messages: readonly EncodedMessage[]): void {
    if (this.#lag !== undefined && this.#ahead === 0 && this.#backlog === undefined) this.#catchUp()
    this.#transport?.write(this.#flusher.join(messages))
    const ahead = this.#ahead
    if (ahead > 0) this.#lagging.wrote(messages, ahead)
    else this.#lag?.wrote(NONE, 0)
  }

  #awaitDrain(): void {
    this.#backlog ??= new Backlog(this.#rules)
    this.#transport?.onceDrained(() => this.#drain())
  }

  #drain(): void {
    while (this.#backlog !== undefined && this.#isWritable) {
      const messages = this.#backlog.take(MAX_RUN)
      if (messages.length === 0) {
        this.#backlog = undefined
        if (this.#ahead === 0) this.#catchUp()
        return
      }
      this.#write(messages)
      if (this.#isStalled) return this.#awaitDrain()
    }
  }
}
