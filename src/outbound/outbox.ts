import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { Backlog, type OverflowRules, type Taken } from './backlog.ts'
import type { Flusher } from './flusher.ts'
import type { Frame } from './frame.ts'
import { Lag } from './lag.ts'

/** `WebSocket.OPEN` */
const OPEN = 1

/** Bytes that are written at once, about: more only makes the buffers larger that a slow client pins. */
const MAX_RUN = 64 * 1024

const NONE: readonly Frame[] = Object.freeze([])

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
  #lag: Lag | undefined

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
      const taken = this.#backlog.add(frame, this.#ahead)
      if (taken === 'kept') this.#lagging.hold(frame)
      return taken
    }
    this.#byteCount += frame.bytes.length
    if (this.#frames === undefined) {
      this.#frames = [frame]
      this.#flusher.add(this)
    } else {
      this.#frames.push(frame)
    }
    if (this.#byteCount > MAX_RUN) this.#flusher.write(this)
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
    if (this.#frames === undefined || !this.#isWritable) return
    const frames = this.#frames
    this.#frames = undefined
    this.#byteCount = 0
    this.#write(frames)
    if (this.#isStalled) this.#awaitDrain()
  }

  /** Hands everything to the socket, before it is closed. */
  finish(): void {
    if (!this.#isWritable) return
    this.flush()
    const rest = this.#backlog?.take(Number.POSITIVE_INFINITY) ?? []
    this.#backlog = undefined
    if (rest.length > 0) this.#write(rest)
  }

  /** Takes out what is not with the socket yet. */
  empty(): readonly Frame[] {
    if (this.#frames === undefined && this.#backlog === undefined) return NONE
    const rest = [...(this.#frames ?? NONE), ...(this.#backlog?.take(Number.POSITIVE_INFINITY) ?? NONE)]
    this.#frames = undefined
    this.#byteCount = 0
    this.#backlog = undefined
    return rest
  }

  /** The socket is gone: gives back what no kernel has taken. */
  close(): readonly Frame[] {
    const rest = this.empty()
    const lag = this.#lag
    if (lag === undefined) return rest
    this.#catchUp()
    return this.#socket === undefined || this.#socket.writableFinished ? rest : [...lag.unsent, ...rest]
  }

  /** Something went wrong: what follows would leave a gap. */
  abort(): void {
    this.#socket?.destroy()
  }

  /** `awaited`: something waits for the connection. `late`: it has lagged too long for that. */
  checkLag(now: number): 'none' | 'awaited' | 'late' {
    if (this.#lag === undefined) return 'none'
    if (this.#socket !== undefined && this.#ahead === 0 && this.#backlog === undefined) {
      this.#catchUp()
      return 'none'
    }
    if (!this.#lag.isOver && this.#lag.isOverdue(now)) {
      this.#rules.counters.laggedCount++
      this.#lag.giveUp()
    }
    return this.#lag.isOver ? 'late' : 'awaited'
  }

  /** Bytes that the socket was given and the kernel has not taken. */
  get #ahead(): number {
    return this.#socket?.writableLength ?? 0
  }

  /** The kernel took not all of it, and the socket will tell when it has. */
  get #isStalled(): boolean {
    return this.#ahead > 0 && this.#socket?.writableNeedDrain === true
  }

  get #isWritable(): boolean {
    return this.#socket?.writable === true && !this.isClosing
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

  #write(frames: readonly Frame[]): void {
    if (this.#lag !== undefined && this.#ahead === 0 && this.#backlog === undefined) this.#catchUp()
    this.#socket?.write(this.#flusher.join(frames))
    const ahead = this.#ahead
    if (ahead > 0) this.#lagging.wrote(frames, ahead)
    else this.#lag?.wrote(NONE, 0)
  }

  #awaitDrain(): void {
    this.#backlog ??= new Backlog(this.#rules)
    this.#socket?.once('drain', () => this.#drain())
  }

  #drain(): void {
    while (this.#backlog !== undefined && this.#isWritable) {
      const frames = this.#backlog.take(MAX_RUN)
      if (frames.length === 0) {
        this.#backlog = undefined
        if (this.#ahead === 0) this.#catchUp()
        return
      }
      this.#write(frames)
      if (this.#isStalled) return this.#awaitDrain()
    }
  }
}
