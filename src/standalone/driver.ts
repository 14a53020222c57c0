import { type Driver, memory } from '../index.ts'
import type { Store } from './config-check.ts'

export async function openDriver(store: Store): Promise<Driver> {
  switch (store.type) {
    case 'memory':
      return memory()
    case 'redis': {
      const { redis } = await import('../drivers/redis/redis.ts')
      return redis({ url: store.url })
    }
    default:
      throw store satisfies never
  }
}

/** Names the store in a message, without its password. */
export function addressOf(store: Store): string {
  if (store.type === 'memory') return 'memory'
  const url = new URL(store.url)
  if (url.password !== '') url.password = '***'
  for (const name of url.searchParams.keys()) if (/pass|secret|token/i.test(name)) url.searchParams.set(name, '***')
  return url.href
}
