import { FlotillaError } from '../../errors.ts'
import { checkNames } from '../../lib/checked-names.ts'
import type { Driver } from '../driver.ts'
import { parseAddress } from './connection/address.ts'
import { RedisQueue } from './redis-queue.ts'
import { RedisState } from './redis-state.ts'
import type { Durability } from './replicated-appends.ts'

export interface RedisDriverOptions {
  /**
   * `redis://[user:password@]host:port[/db]`, `redis+sentinel://…host:26379,host:26379/MASTER_NAME[/db]` or
   * `redis+cluster://…host:6379,host:6379`; with `rediss` over TLS.
   */
  url: string
  /** What a push has survived once it resolves: `replicated` waits for a replica to have it. Default `memory`. */
  durability?: 'memory' | 'replicated'
}

/**
 * State and Queue on Redis 6.2 or newer, with Sentinel, or Redis Cluster. Connects when a server or emitter first needs it.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function redis(options: RedisDriverOptions): Driver {
  checkNames('redis', options, ['url', 'durability'])
  const { url, durability = 'memory' } = options
  const store = { address: parseAddress(url), hasServed: false }
  checkDurability(durability)
  return {
    state: (settings) => new RedisState(store, settings, durability),
    queue: (settings) => new RedisQueue(store, settings, durability),
  }
}

function checkDurability(durability: Durability): void {
  if (durability === 'memory' || durability === 'replicated') return
  throw new FlotillaError('FLT_BAD_OPTION', 'durability: give memory or replicated')
}
