import type { Driver } from '../driver.ts'
import { FlotillaError } from '../../errors.ts'
import { RedisQueue } from './redis-queue.ts'
import { RedisState } from './redis-state.ts'

export interface RedisDriverOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` over TLS. */
  url: string
}

/** State and Queue on Redis 6.2 or newer. Connects when a server or emitter first needs it. */
export function redis({ url }: RedisDriverOptions): Driver {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new FlotillaError('FLT_BAD_OPTION', 'url: give a Redis URL such as redis://127.0.0.1:6379')
  }
  return {
    state: (settings) => new RedisState(url, settings),
    queue: (settings) => new RedisQueue(url, settings),
  }
}
