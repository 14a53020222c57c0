import { Redis } from 'ioredis'
import type { Store } from '../../rig/store.ts'

const PAGE = 1_000

/** Lists the keys of the store. */
export class Keyspace {
  readonly #redis: Redis

  constructor(store: Store) {
    this.#redis = new Redis(store.url)
  }

  count(): Promise<number> {
    return this.#redis.dbsize()
  }

  /** The keys that never expire. */
  async lasting(): Promise<string[]> {
    const keys = await this.#all()
    const lives = await Promise.all(keys.map((key) => this.#redis.ttl(key)))
    return keys.filter((_, index) => lives[index] === -1).toSorted()
  }

  /** The streams that still hold entries. */
  async unread(): Promise<string[]> {
    const streams = (await this.#all()).filter((key) => key.endsWith(':in') || key.endsWith(':taken'))
    const lengths = await Promise.all(streams.map((key) => this.#redis.xlen(key)))
    return streams.filter((_, index) => lengths[index] !== 0)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #all(): Promise<string[]> {
    const found = new Set<string>()
    for (let cursor = '0'; ;) {
      const [next, keys] = await this.#redis.scan(cursor, 'COUNT', PAGE)
      for (const key of keys) found.add(key)
      if (next === '0') return [...found]
      cursor = next
    }
  }
}
