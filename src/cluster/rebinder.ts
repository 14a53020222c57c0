import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Bindings } from './bindings.ts'

/** Connections that are written in one go. In between, new connections are bound and the store serves others. */
const SLICE = 1_000
/** ms between two slices. */
const SLICE_PAUSE = 10
/** A full pass takes this many heartbeats, unless there are very many connections. */
const HEARTBEATS_PER_PASS = 64

/** Writes known bindings again: all of them if the store may have forgotten some, otherwise a few at a time. */
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

  /** Writes every connection again, slice by slice. A later call replaces an earlier one. */
  async rebindAll(): Promise<void> {
    const run = ++this.#run
    // Invariant R14: bindings that a failover lost come back, slice by slice.
    const connections = [...this.#hub]
    for (let start = 0; start < connections.length && run === this.#run; start += SLICE) {
      await this.#bindings.repeat(connections.slice(start, start + SLICE))
      await sleep(SLICE_PAUSE, undefined, { ref: false })
    }
  }

  /** Called with each heartbeat: writes the next few connections again, to mend a loss that nobody has noticed. */
  async rebindSome(): Promise<void> {
    const slice: ClientConnection[] = []
    for (let remaining = Math.min(Math.ceil(this.#hub.size / HEARTBEATS_PER_PASS), SLICE); remaining > 0; remaining--) {
      const { value, done } = this.#next.next()
      if (done === true) this.#next = this.#hub[Symbol.iterator]()
      else slice.push(value)
    }
    await this.#bindings.repeat(slice)
  }

  /** Stops `rebindAll`. */
  stop(): void {
    this.#run++
  }
}
