import type { Duplex } from 'node:stream'
import type { Frame } from './frame.ts'

/** What became of messages that clients were too slow for, on all connections of a node. */
export interface OutboxCounters {
  /** Messages that were left out. */
  droppedCount: number
  /** Messages that a newer one of the same key took the place of. */
  collapsedCount: number
  /** Connections that were closed with 4408. */
  tooSlowCount: number
}

/** Writes what gathered in outboxes during a tick, once, at its end: one write for each connection. */
export class Flusher {
  #dirty: Outbox[] = []

  add(outbox: Outbox): void {
    if (this.#dirty.push(outbox) === 1) setImmediate(this.flush)
  }

  /** Writes now what else would be written at the end of the tick. */
  readonly flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const outbox of dirty) outbox.flush()
  }
}

/** The frames that wait for one connection: until the end of the tick, or, before its 101, until it is open. */
export class Outbox {
  readonly #flusher: Flusher
  #frames: Frame[] = []
  #socket: Duplex | undefined
  #byteCount = 0

  constructor(flusher: Flusher) {
    this.#flusher = flusher
  }

  /** Bytes that no kernel has taken yet. */
  get bufferedAmount(): number {
    return this.#byteCount + (this.#socket?.writableLength ?? 0)
  }

  /** Bytes that the socket was given and the kernel has not taken: what a slow client costs. */
  get lag(): number {
    return this.#socket?.writableLength ?? 0
  }

  push(frame: Frame): void {
    this.#byteCount += frame.length
    if (this.#frames.push(frame) === 1 && this.#socket !== undefined) this.#flusher.add(this)
  }

  /** The connection is open: what has waited goes first. */
  open(socket: Duplex): void {
    this.#socket = socket
    if (this.#frames.length > 0) this.#flusher.add(this)
  }

  flush(): void {
    const frames = this.#frames
    if (frames.length === 0 || this.#socket === undefined) return
    this.#frames = []
    this.#byteCount = 0
    if (!this.#socket.writable) return
    this.#socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }
}
