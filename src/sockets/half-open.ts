import type { Socket } from 'node:net'

const SWEEP = 500

export interface HalfOpenLimits {
  /** ms that each may take. */
  readonly patience: number
  /** Beyond so many the oldest goes: an honest client is done within moments, so it is hardly ever the oldest. */
  readonly max: number
}

/** Sockets that have yet to say what they want. */
export class HalfOpen<K> {
  readonly #limits: HalfOpenLimits
  /** In the order in which they came. */
  readonly #sockets = new Map<K, { readonly socket: Socket; readonly since: number }>()
  readonly #sweep: NodeJS.Timeout

  constructor(limits: HalfOpenLimits) {
    this.#limits = limits
    this.#sweep = setInterval(() => this.#dropLate(), SWEEP).unref()
  }

  add(key: K, socket: Socket): void {
    this.#sockets.set(key, { socket, since: performance.now() })
    if (this.#sockets.size <= this.#limits.max) return
    for (const [oldest] of this.#sockets) return this.#drop(oldest)
  }

  delete(key: K): void {
    this.#sockets.delete(key)
  }

  close(): void {
    clearInterval(this.#sweep)
  }

  #dropLate(): void {
    const latest = performance.now() - this.#limits.patience
    for (const [key, { socket, since }] of this.#sockets) if (since < latest || socket.destroyed) this.#drop(key)
  }

  #drop(key: K): void {
    this.#sockets.get(key)?.socket.destroy()
    this.#sockets.delete(key)
  }
}
