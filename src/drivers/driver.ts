import type { Logger } from '../logger.ts'
import type { PushIds } from './push-ids.ts'
import type { Queue } from './queue.ts'
import type { State } from './state.ts'

/** What a driver needs to know of the node, or emitter, that opens it. Times in ms. */
export interface DriverSettings {
  /** In front of every key: two prefixes never see each other. */
  readonly prefix: string
  readonly heartbeat: number
  readonly deadAfter: number
  /** How long a call may wait for a store that is away before it rejects with `FLT_STORE_AWAY`. */
  readonly storeWait: number
  /** Bytes that an inbox, or the broadcast stream, holds at most. */
  readonly maxInboxBytes: number
  /** How old the oldest that a node has not acked may be before nothing more is taken for it; 0 or nothing for no bound. */
  readonly maxLag?: number
  readonly logger: Logger
}

/**
 * The two doors to one store, each with connections of its own. Nothing is connected before it is opened, and each opening is closed on its own, so
 * one driver can serve several servers and emitters. `{ state: a.state, queue: b.queue }` mixes two.
 */
export interface Driver {
  readonly state: (settings: DriverSettings) => State
  readonly queue: (settings: DriverSettings) => Queue & PushIds
}
