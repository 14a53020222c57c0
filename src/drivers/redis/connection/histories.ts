import type { Redis } from 'ioredis'
import { ClusterRouter } from './cluster-router.ts'
import type { ServerInfo } from './server-info.ts'
import { ServerWatch } from './server-watch.ts'

/**
 * The histories of writes that this process has met (see `ServerWatch`). If it meets a new one while it runs, a replica
 * took over or a server started again, and either may lack the last writes that the store had confirmed.
 */
export class Histories {
  readonly #watches = new WeakMap<Redis, ServerWatch>()
  readonly #known = new Set<string>()
  readonly #listeners: (() => void)[] = []
  readonly #onInfo: (info: ServerInfo) => void

  /** @param onInfo gets what each server says of itself, with each connection */
  constructor(redis: Redis, onInfo: (info: ServerInfo) => void) {
    this.#onInfo = onInfo
    if (redis instanceof ClusterRouter) {
      redis.on('master', (master: Redis, isFromStart: boolean) => this.#watch(master, isFromStart))
    } else {
      this.#watch(redis, true)
    }
  }

  onNew(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The server that a connection leads to; undefined until it is known. */
  runIdOf(redis: Redis | undefined): string | undefined {
    return redis === undefined ? undefined : this.#watches.get(redis)?.runId
  }

  #watch(redis: Redis, isFromStart: boolean): void {
    let isExpected = isFromStart
    const watch = new ServerWatch(redis, (info) => {
      this.#onInfo(info)
      if (info.history === undefined) return
      const isKnown = this.#known.has(info.history)
      this.#known.add(info.history)
      if (!isKnown && !isExpected) for (const listener of this.#listeners) listener()
      isExpected = false
    })
    this.#watches.set(redis, watch)
  }
}
