import { describeAddress, parseAddress } from '../../drivers/redis/connection/address.ts'
import { type Driver, isFlotillaError, memory } from '../../index.ts'
import { usageError } from '../common/cli-error.ts'
import type { RedisStore, Store } from './config-check.ts'
import { readRedisTls } from './tls.ts'

export async function openDriver(store: Store): Promise<Driver> {
  switch (store.type) {
    case 'memory':
      return memory({ isolated: store.isolated })
    case 'redis':
      return await openRedis(store)
    default:
      throw store satisfies never
  }
}

async function openRedis(store: RedisStore): Promise<Driver> {
  const { redis } = await import('../../drivers/redis/redis.ts')
  const { url, durability, natMap } = store
  const tls = await readRedisTls(store)
  try {
    return redis({ url, durability, natMap, tls })
  } catch (error) {
    throw isFlotillaError(error) ? usageError(withFlags(error.message)) : error
  }
}

const FLAG_OF_OPTION: Readonly<Record<string, string>> = {
  'tls.ca': '--redis-ca',
  'tls.cert': '--redis-cert',
  'tls.key': '--redis-key',
  'tls.servername': '--redis-servername',
  natMap: '--redis-nat-map',
}

/** Writes the options of the Redis driver that a message names as flags. */
export function withFlags(message: string): string {
  return message.replaceAll(/\btls\.\w+|\bnatMap\b/g, (option) => FLAG_OF_OPTION[option] ?? option)
}

/** The store's address for a message, without credentials. */
export function addressOf(store: Store): string {
  if (store.type === 'memory') return 'memory'
  const { ca, cert, servername } = store
  const address = parseAddress(store.url)
  const isTls = address.isTls || [ca, cert, servername].some((one) => one !== undefined)
  return describeAddress({ ...address, isTls })
}
