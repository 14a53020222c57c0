import type { DriverSettings } from '../driver.ts'
import type { RedisClient } from './connection/client.ts'
import type { Keys } from './keys.ts'

/** Everything that all calls of one server or emitter share. */
export interface RedisHandle {
  readonly client: RedisClient
  readonly keys: Keys
  readonly settings: DriverSettings
}
