import type { Redis } from 'ioredis'
import { ClusterRouter } from './cluster-router.ts'
import { ServerWatch } from './server-watch.ts'

/**
 * Which histories of writes this process has met. One that it meets while it runs is that of a replica that took over, or
 * of a server that started again: either may lack the last of what the store had answered.
 */
export class Histories {
  readonly #watches = new WeakMap<Redis, ServerWatch>()
  readonly #known = new Set<string>()
  readonly #listeners: (() => void)[] = []

  constructor(redis: Redis) {
    if (redis instanceof ClusterRouter) {
      redis.on('master', (master: Redis, isFromStart: boolean) => this.#watch(master, isFromStart))
    } else {
      this.#watch(redis, true)
    }
  }

  onNew(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The server that a connection leads to; nothing until it is known. */
  runIdOf(redis: Redis | undefined): string | undefined {
    return redis === undefined ? undefined : this.#watches.get(redis)?.runId
  }

  #watch(redis: Redis, isFromStart: boolean): void {
    let isExpected = isFromStart
    const watch = new ServerWatch(redis, (id) => {
      const isKnown = this.#known.has(id)
      this.#known.add(id)
      if (!isKnown && !isExpected) for (const listener of this.#listeners) listener()
      isExpected = false
    })
    this.#watches.set(redis, watch)
  }
}
