import type { Refused } from '../entry.ts'
import type { RedisClient } from './connection/client.ts'

/** Calls of the publishing scripts. */
export type Appends = Pick<RedisClient, 'call' | 'close'>

/** What they answer, first of all, where they have written. */
export const TAKEN = 1

/** What they answer where a node is behind, or full. */
export const refusalOf = (reply: unknown): Refused => (reply === -2 ? 'behind' : 'full')
