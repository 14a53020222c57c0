import { EventEmitter } from 'node:events'
import type { Receipt, ShutdownReason } from '../../api.ts'
import { newProcessId, type NodeId, type PushId, type Uid } from '../../envelope/ids.ts'
import type { Entry } from '../entry.ts'
import type { NodeRecord } from '../nodes.ts'
import type { ParkedMessage } from '../parking.ts'
import { ExpiringMap } from './expiring-map.ts'
import { LogTable } from './log-table.ts'
import { Places } from './places.ts'
import { RouteTable } from './route-table.ts'
import { Stream } from './stream.ts'

/** A node that holds a lease. */
export interface Membership {
  readonly record: NodeRecord
  readonly deadAfter: number
  connectionCount: number
  /** When the node was last heard, in ms by the store's clock. */
  lastSeen: number
  /** How many gaps there had been when the node was last heard. */
  seenInGap: number
  /** When the lease runs out, by the time counted in `Hearing`. */
  leaseUntil: number
}

/** The time in which nodes were heard. Leases run by it. */
export interface Hearing {
  /** ms counted so far. */
  at: number
  /** When any node was last heard, in ms by the store's clock. */
  heard: number
  gaps: number
}

export interface Departure {
  readonly reason: ShutdownReason
  cleanedAt?: number
  /** Which node cleans up after this one, and until when it has the claim, in ms by the store's clock. */
  claim?: { readonly by: NodeId; readonly until: number }
}

/** A message that is parked for a user. */
export interface ParkedRow extends Omit<ParkedMessage, 'position'> {
  readonly id: PushId
  /** How often the message was parked again. A reader that read it before must not take it away. */
  readonly times: number
  /** ms since 1970, by the store's clock. */
  readonly until: number
}

/** An idempotency key: who holds it, or the receipt that it answers with. */
export type IdRecord =
  | {
      readonly state: 'open'
      readonly digest: string
      /** Until when its holder has time to settle it; 0 if it was released. */
      readonly heldUntil: number
      readonly stored: readonly NodeId[]
    }
  | { readonly state: 'done'; readonly digest: string; readonly receipt: Receipt }

/**
 * The contents that a database would hold for one prefix. Each change happens within one turn of the event loop, so no
 * locks are needed.
 */
export class MemoryStore {
  readonly nodes = new Map<NodeId, Membership>()
  readonly gone = new Map<NodeId, Departure>()
  readonly hearing: Hearing = { at: 0, heard: this.now(), gaps: 0 }
  nodesVersion = 0

  readonly routes = new RouteTable(() => this.micros())
  readonly logs = new LogTable(newProcessId(), () => this.micros())
  readonly parked = new ExpiringMap<Uid, readonly ParkedRow[]>()

  readonly inboxes = new Map<NodeId, Stream>()
  readonly sealed = new Map<NodeId, Stream>()
  readonly aside = new Map<NodeId, { readonly entry: Entry; readonly reason: string }[]>()
  readonly broadcasts = new Stream(() => this.micros())
  readonly places = new Places(this.broadcasts, () => this.now())
  readonly ids = new ExpiringMap<PushId, IdRecord>()
  /** Emits `in:<node>` when something was appended to that node's inbox, and `all` when it was a broadcast. */
  readonly appended = new EventEmitter().setMaxListeners(0)

  hasParkedFor(uid: Uid): boolean {
    return this.parked.get(uid, this.now()) !== undefined
  }

  /** The store's clock: ms since 1970. Unlike a wall clock, it is never set back. */
  now(): number {
    return performance.timeOrigin + performance.now()
  }

  micros(): number {
    return Math.floor(this.now() * 1_000)
  }
}
