import type { Duplex } from 'node:stream'
import type { RawData } from 'ws'
import type { ErrorReport } from '../api.ts'
import { TokenBucket } from '../lib/token-bucket.ts'
import { CloseContext, OpenContext, type Services } from '../modules/contexts.ts'
import type { Module } from '../modules/module.ts'
import { CloseCode } from '../wire/close-codes.ts'
import type { ClientConnection } from './client-connection.ts'
import type { LargeMessages } from './large-messages.ts'
import type { WebSocketListener, WebSocketTransport } from './transports/web-socket.ts'

/**
 * How many pings, unsolicited pongs and messages after the close a client may send each second. That is more than any
 * client needs, and too few to do harm.
 */
const CONTROLS_PER_SECOND = 100
/** Bytes of messages that may wait for handlers. Beyond them reading pauses, however few messages they are. */
const MAX_PENDING_BYTES = 2 ** 20
/** ms that a client has to read why it is closed, if it broke a rule. After that its socket is cut off. */
const OFFENDER_GRACE = 2_000

export interface ConversationHooks {
  readonly services: Services
  /** Bytes of one message. */
  readonly maxPayload: number
  /** Messages that may wait for handlers. Beyond them reading pauses. */
  readonly maxPending: number
  readonly largeMessages: LargeMessages
  readonly onError: (report: ErrorReport) => void
  readonly received: (connection: ClientConnection, data: string | Uint8Array) => void
  /** The buckets that a connection's messages are counted against; undefined if its messages are not limited. */
  readonly bucketsOf: (connection: ClientConnection) => readonly TokenBucket[] | undefined
  /** The connection was closed because its client sent too much. */
  readonly flooded: (connection: ClientConnection) => void
  /** The socket has closed. Handlers may still be running. */
  readonly left: (connection: ClientConnection) => void
}

/** Runs the hooks of one connection in order: open, its messages one after another, close. */
export class Conversation implements WebSocketListener {
  readonly connection: ClientConnection
  readonly #module: Module
  readonly #socket: WebSocketTransport
  readonly #hooks: ConversationHooks
  readonly #buckets: readonly TokenBucket[] | undefined
  #controls: TokenBucket | undefined
  #pending: (string | Uint8Array)[] = []
  #pendingBytes = 0
  #isFlooded = false
  #running = 0
  #waitsForTurn = false
  #isOpened = false
  #closed: { code: number; reason: string } | undefined
  #unansweredPings = 0
  #hasEnded = false
  #onEnded: (() => void) | undefined
  #ended: Promise<void> | undefined

  constructor(connection: ClientConnection, module: Module, socket: WebSocketTransport, hooks: ConversationHooks) {
    this.connection = connection
    this.#module = module
    this.#socket = socket
    this.#hooks = hooks
    this.#buckets = hooks.bucketsOf(connection)
  }

  /** Resolves once the close hook has run. */
  get ended(): Promise<void> {
    if (this.#hasEnded) return Promise.resolve()
    this.#ended ??= new Promise((resolve) => {
      this.#onEnded = resolve
    })
    return this.#ended
  }

  async open(): Promise<void> {
    try {
      await this.#module.open(new OpenContext(this.connection, this.#hooks.services))
    } catch (error) {
      this.#report('open', error)
      this.connection.disconnect(CloseCode.hookFailed, 'open failed')
    }
    this.#isOpened = true
    this.#next()
  }

  /**
   * Pings the client, or cuts it off if it left two pings unanswered. While reading is paused, no answer could be read.
   */
  ping(): void {
    if (this.#socket.isPaused) return
    if (this.#unansweredPings >= 2) {
      this.terminate()
      return
    }
    this.#unansweredPings++
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping()
  }

  isOn(sockets: ReadonlySet<Duplex>): boolean {
    return this.#socket.isOn(sockets)
  }

  terminate(): void {
    this.#socket.terminate()
  }

  /** The server has disconnected the client: drops the messages that still wait for a handler. */
  abandon(): void {
    this.#pending = []
    this.#pendingBytes = 0
    this.#next()
  }

  // ---- events of the socket

  received(data: RawData, isBinary: boolean): void {
    this.#unansweredPings = 0
    if (!this.connection.isOpen) return this.#tolerate()
    if (this.#buckets !== undefined && !this.#isWithin(this.#buckets)) return this.#flooded()
    // The limit of `ws` allows for what compression may add, so an uncompressed message could be longer than
    // `maxPayload`.
    if ((data as Buffer).length > this.#hooks.maxPayload) return this.connection.disconnect(CloseCode.tooLarge)
    const raw = isBinary ? (data as Buffer) : (data as Buffer).toString()
    this.#hooks.received(this.connection, raw)
    this.#pending.push(raw)
    this.#pendingBytes += raw.length
    if (!this.#hasRoom) this.#socket.pause()
    this.#next()
  }

  /** The transport answers the ping, if need be once the client has read earlier answers. */
  pinged(): void {
    this.#tolerate()
  }

  ponged(): void {
    if (this.#unansweredPings === 0) this.#tolerate()
    this.#unansweredPings = 0
  }

  /**
   * The client broke the protocol. `ws` has already begun to close with the right code: 1002, 1007, 1008 or 1009. The
   * client may ignore that and go on sending, so it is cut off soon.
   */
  failed(error: Error): void {
    this.#hooks.services.log.debug({ error, connection: this.connection.id }, 'a client broke the protocol')
    setTimeout(() => this.terminate(), OFFENDER_GRACE).unref()
  }

  closing(): void {
    this.connection.finish()
  }

  closed(code: number, reason: string): void {
    this.#closed = { code, reason }
    this.connection.closed()
    this.#hooks.left(this.connection)
    void this.#end(this.#closed)
  }

  // ---- limits

  get #hasRoom(): boolean {
    return this.#pending.length < this.#hooks.maxPending && this.#pendingBytes < MAX_PENDING_BYTES
  }

  #isWithin(buckets: readonly TokenBucket[]): boolean {
    const now = performance.now()
    for (const bucket of buckets) if (!bucket.take(now)) return false
    return true
  }

  /** Counts a frame that no client needs to send. A few are tolerated; too many count as a flood. */
  #tolerate(): void {
    this.#controls ??= new TokenBucket(CONTROLS_PER_SECOND)
    if (!this.#controls.take(performance.now())) this.#flooded()
  }

  /** Closes the connection, stops reading it, and drops its waiting messages. */
  #flooded(): void {
    if (this.#isFlooded) return
    this.#isFlooded = true
    this.#hooks.flooded(this.connection)
    this.connection.disconnect(CloseCode.policy, 'too many messages')
    this.#socket.pause()
    setTimeout(() => this.terminate(), OFFENDER_GRACE).unref()
  }

  // ---- handling messages in order

  #next(): void {
    while (this.#mayBegin && this.#begins(this.#pending[0]!)) {
      const raw = this.#pending.shift()!
      this.#pendingBytes -= raw.length
      this.#running++
      void this.#module.message(this.connection, raw).then(() => this.#handled())
    }
    if (this.#socket.isPaused && this.#hasRoom && !this.#isFlooded) this.#socket.resume()
    if (this.#closed !== undefined) void this.#end(this.#closed)
  }

  get #mayBegin(): boolean {
    const isFree = this.#running < this.#module.concurrency && !this.#waitsForTurn
    return isFree && this.#isOpened && this.#pending.length > 0
  }

  #begins({ length }: string | Uint8Array): boolean {
    const begins = this.#hooks.largeMessages.begin(length, () => {
      this.#waitsForTurn = false
      this.#next()
    })
    this.#waitsForTurn = !begins
    return begins
  }

  #handled(): void {
    this.#running--
    this.#next()
  }

  /** Runs the close hook, once, after the handlers of all earlier messages. */
  async #end({ code, reason }: { code: number; reason: string }): Promise<void> {
    if (!this.#isOpened || this.#running > 0 || this.#pending.length > 0) return
    this.#isOpened = false
    try {
      await this.#module.close(new CloseContext(this.connection, this.#hooks.services, code, reason))
    } catch (error) {
      this.#report('close', error)
    }
    this.#hasEnded = true
    this.#onEnded?.()
  }

  #report(phase: 'open' | 'close', error: unknown): void {
    this.#hooks.onError({ phase, error, connection: this.connection })
  }
}
