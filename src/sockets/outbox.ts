import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { Backlog, type OverflowRules, type Taken } from './backlog.ts'
import type { Flusher } from './flusher.ts'
import type { Frame } from './frame.ts'

/** `WebSocket.OPEN` */
const OPEN = 1

/** Bytes that are written at once, about: more only makes the buffers larger that a slow client pins. */
const MAX_RUN = 64 * 1024

/**
 * The frames on their way to one connection: those of this tick, which the flusher writes together, and, where the client
 * cannot take them now, a backlog. An idle one holds nothing.
 */
export class Outbox {
  readonly #flusher: Flusher
  readonly #rules: OverflowRules
  #webSocket: WebSocket | undefined
  #socket: Duplex | undefined
  #deflateFrom: number | undefined
  #frames: Frame[] | undefined
  #byteCount = 0
  #backlog: Backlog | undefined

  constructor(flusher: Flusher, rules: OverflowRules) {
    this.#flusher = flusher
    this.#rules = rules
  }

  /** Bytes that no kernel has taken yet. */
  get bufferedAmount(): number {
    return this.#byteCount + (this.#backlog?.byteCount ?? 0) + this.#ahead
  }

  /** A close frame has gone out or come in, or the client broke the protocol: nothing may follow (RFC 6455 §5.5.1). */
  get isClosing(): boolean {
    return this.#webSocket !== undefined && this.#webSocket.readyState !== OPEN
  }

  push(message: Frame): Taken {
    const frame = this.#deflateFrom === undefined ? message : message.deflated(this.#deflateFrom)
    if (this.#socket === undefined || this.#backlog !== undefined) {
      this.#backlog ??= new Backlog(this.#rules)
      return this.#backlog.add(frame, this.#ahead)
    }
    this.#byteCount += frame.bytes.length
    if (this.#frames === undefined) {
      this.#frames = [frame]
      this.#flusher.add(this)
    } else {
      this.#frames.push(frame)
    }
    if (this.#byteCount > MAX_RUN) this.flush()
    return 'kept'
  }

  /**
   * The connection is open: what has waited goes first, as it is.
   *
   * @param deflateFrom bytes from which on messages go compressed; not at all where it is not given
   */
  open(webSocket: WebSocket, socket: Duplex, deflateFrom?: number): void {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#deflateFrom = deflateFrom
    this.#drain()
  }

  /** Writes now what else would be written with the others. */
  flush(): void {
    if (this.#frames === undefined) return
    const frames = this.#frames
    this.#frames = undefined
    this.#byteCount = 0
    this.#write(frames)
    if (this.#isStalled) this.#awaitDrain()
  }

  /** Hands everything to the socket, before it is closed. */
  finish(): void {
    this.flush()
    const rest = this.#backlog?.take(Number.POSITIVE_INFINITY) ?? []
    this.#backlog = undefined
    if (rest.length > 0) this.#write(rest)
  }

  /** Forgets what is not with the socket yet. */
  discard(): void {
    this.#frames = undefined
    this.#byteCount = 0
    this.#backlog = undefined
  }

  /** Bytes that the socket was given and the kernel has not taken. */
  get #ahead(): number {
    return this.#socket?.writableLength ?? 0
  }

  /** The kernel took not all of it, and the socket will tell when it has. */
  get #isStalled(): boolean {
    return this.#ahead > 0 && this.#socket?.writableNeedDrain === true
  }

  #write(frames: readonly Frame[]): void {
    if (!this.isClosing && this.#socket?.writable === true) this.#socket.write(this.#flusher.join(frames))
  }

  #awaitDrain(): void {
    this.#backlog ??= new Backlog(this.#rules)
    this.#socket?.once('drain', () => this.#drain())
  }

  #drain(): void {
    while (this.#backlog !== undefined) {
      const frames = this.#backlog.take(MAX_RUN)
      if (frames.length === 0) {
        this.#backlog = undefined
        return
      }
      this.#write(frames)
      if (this.#isStalled) return this.#awaitDrain()
    }
  }
}
