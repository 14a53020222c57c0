import type { Logger } from '../logger.ts'
import type { PushIds } from './push-ids.ts'
import type { Queue } from './queue.ts'
import type { State } from './state.ts'

/** The settings of the node or emitter that opens a driver. All times are in ms. */
export interface DriverSettings {
  /** The beginning of every key. Two prefixes never see each other's data. */
  readonly prefix: string
  readonly heartbeat: number
  readonly deadAfter: number
  /** How long a call may wait for a store that is away before it rejects with `FLT_STORE_AWAY`. */
  readonly storeWait: number
  /** How many bytes an inbox, or the broadcast stream, may hold. */
  readonly maxInboxBytes: number
  /**
   * How old the oldest entry that a node has not acked may be. If it is older, the driver takes nothing more for that
   * node. 0 or absent: no limit.
   */
  readonly maxLag?: number
  readonly logger: Logger
}

/**
 * The two doors to one store, each with its own connections. Nothing is connected before a door is opened, and each
 * opening is closed on its own, so one driver can serve several servers and emitters. `{ state: a.state, queue: b.queue
 * }` mixes two drivers.
 */
export interface Driver {
  readonly state: (settings: DriverSettings) => State
  readonly queue: (settings: DriverSettings) => Queue & PushIds
}
