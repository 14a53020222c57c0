import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Bindings } from './bindings.ts'

/** Connections that are written in one go: others are bound, and Redis serves others, in between. */
const SLICE = 1_000
const SLICE_PAUSE = 10
/** In so many heartbeats everybody was written again, unless they are very many. */
const HEARTBEATS_PER_PASS = 64

/** Writes again what State was told before: all of it where the store may have forgotten some, else a little at a time. */
export class Rebinder {
  readonly #hub: Hub
  readonly #bindings: Bindings
  #next: Iterator<ClientConnection>
  #run = 0

  constructor(hub: Hub, bindings: Bindings) {
    this.#hub = hub
    this.#bindings = bindings
    this.#next = hub[Symbol.iterator]()
  }

  /** Everything, slice by slice; a later call takes over from an earlier one. */
  async rebindAll(): Promise<void> {
    const run = ++this.#run
    // Invariant R14: bindings that a failover lost come back, slice by slice.
    const connections = [...this.#hub]
    for (let start = 0; start < connections.length && run === this.#run; start += SLICE) {
      await this.#bindings.repeat(connections.slice(start, start + SLICE))
      await sleep(SLICE_PAUSE, undefined, { ref: false })
    }
  }

  /** A small part, another each time: what was lost and nobody noticed is there again after a while. */
  async rebindSome(): Promise<void> {
    const slice: ClientConnection[] = []
    for (let remaining = Math.min(Math.ceil(this.#hub.size / HEARTBEATS_PER_PASS), SLICE); remaining > 0; remaining--) {
      const { value, done } = this.#next.next()
      if (done === true) this.#next = this.#hub[Symbol.iterator]()
      else slice.push(value)
    }
    await this.#bindings.repeat(slice)
  }

  /** Leaves the rest of `all`. */
  stop(): void {
    this.#run++
  }
}
