import type { Refused } from '../entry.ts'
import type { RedisClient } from './connection/client.ts'

/** Calls the publishing scripts. */
export type Appends = Pick<RedisClient, 'call' | 'callEach' | 'close'>

/** The answer of a publishing script that has appended, or its first element. */
export const TAKEN = 1

/** Reads the answer of a publishing script that has refused. */
export const refusalOf = (reply: unknown): Refused => (reply === -2 ? 'behind' : 'full')
