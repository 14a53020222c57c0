import { type Driver, memory } from '../index.ts'
import type { Store } from './config-check.ts'

export async function openDriver(store: Store): Promise<Driver> {
  switch (store.type) {
    case 'memory':
      return memory({ isolated: store.isolated })
    case 'redis': {
      const { redis } = await import('../drivers/redis/redis.ts')
      const { url, durability } = store
      return redis({ url, ...(durability !== undefined && { durability }) })
    }
    default:
      throw store satisfies never
  }
}

/** Names the store in a message, without its password. */
export function addressOf(store: Store): string {
  if (store.type === 'memory') return 'memory'
  // With several hosts it is no URL in the strict sense.
  const url = store.url.replace(/^([^:]+:\/\/[^/?#]*?:)[^/?#]*@/, '$1***@')
  return url.replace(/([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*/gi, '$1***')
}
