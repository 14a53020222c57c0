import { Redis } from 'ioredis'
import type { Store } from './store.ts'

/** What a store has done since it began. */
export interface StoreWork {
  readonly commands: number
  readonly bytes: number
}

/** Counts a store's commands, those inside scripts too, and the bytes that went in and out. */
export class StoreMeter {
  readonly #redis: Redis

  constructor({ url }: Store) {
    this.#redis = new Redis(url)
  }

  /** @see https://redis.io/docs/latest/commands/info/ */
  async read(): Promise<StoreWork> {
    const [commands, traffic] = [await this.#redis.info('commandstats'), await this.#redis.info('stats')]
    return {
      commands: sum(commands.matchAll(/^cmdstat_.*?:calls=(\d+)/gm)),
      bytes: sum(traffic.matchAll(/^total_net_(?:input|output)_bytes:(\d+)/gm)),
    }
  }

  close(): void {
    this.#redis.disconnect()
  }
}

function sum(matches: Iterable<RegExpExecArray>): number {
  let total = 0
  for (const [, number] of matches) total += Number(number)
  return total
}
