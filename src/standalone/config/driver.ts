import { describeAddress, parseAddress } from '../../drivers/redis/connection/address.ts'
import { type Driver, memory } from '../../index.ts'
import type { Store } from './config-check.ts'

export async function openDriver(store: Store): Promise<Driver> {
  switch (store.type) {
    case 'memory':
      return memory({ isolated: store.isolated })
    case 'redis': {
      const { redis } = await import('../../drivers/redis/redis.ts')
      const { url, durability } = store
      return redis({ url, ...(durability !== undefined && { durability }) })
    }
    default:
      throw store satisfies never
  }
}

/** The store's address for a message, without credentials. */
export function addressOf(store: Store): string {
  return store.type === 'memory' ? 'memory' : describeAddress(parseAddress(store.url))
}
