import { Redis } from 'ioredis'
import type { Store } from '../../rig/store.ts'

/** How much a store has done since it started. */
export interface StoreWork {
  /** Calls of each command, including those inside scripts. */
  readonly calls: ReadonlyMap<string, number>
  /** Bytes in and out. */
  readonly bytes: number
}

export class StoreMeter {
  readonly #redis: Redis

  constructor({ url }: Store) {
    this.#redis = new Redis(url)
  }

  /** @see https://redis.io/docs/latest/commands/info/ */
  async read(): Promise<StoreWork> {
    const [commands, traffic] = [await this.#redis.info('commandstats'), await this.#redis.info('stats')]
    const calls = commands.matchAll(/^cmdstat_(.*?):calls=(\d+)/gm)
    const sizes = traffic.matchAll(/^total_net_(?:input|output)_bytes:(\d+)/gm)
    return {
      calls: new Map(Array.from(calls, ([, name = '', count]) => [name, Number(count)])),
      bytes: Array.from(sizes, ([, size]) => Number(size)).reduce((sum, size) => sum + size, 0),
    }
  }

  close(): void {
    this.#redis.disconnect()
  }
}
