import { EventEmitter } from 'node:events'
import type { Receipt, ShutdownReason } from '../../api.ts'
import type { NodeId, PushId, Uid } from '../../envelope/ids.ts'
import type { Entry } from '../entry.ts'
import type { NodeRecord } from '../nodes.ts'
import type { ParkedMessage } from '../parking.ts'
import { ExpiringMap } from './expiring-map.ts'
import { Places } from './places.ts'
import { RouteTable } from './route-table.ts'
import { Stream } from './stream.ts'

/** A node that holds a lease. */
export interface Membership {
  readonly record: NodeRecord
  readonly deadAfter: number
  connectionCount: number
  /** ms by the store's clock. */
  lastSeen: number
  /** How many gaps there had been then. */
  seenInGap: number
  /** By the time counted in `Hearing`. */
  leaseUntil: number
}

/** The time that nodes were heard in: leases run by it. */
export interface Hearing {
  /** ms counted so far. */
  at: number
  /** When a node was last heard, in ms by the store's clock. */
  heard: number
  gaps: number
}

export interface Departure {
  readonly reason: ShutdownReason
  cleanedAt?: number
  /** Who cleans up after it; until when, by the time counted in `Hearing`. */
  claim?: { readonly by: NodeId; readonly until: number }
}

/** A message that waits for a user. */
export interface ParkedRow extends Omit<ParkedMessage, 'position'> {
  readonly id: PushId
  /** How often it was parked again: who reads it meanwhile must not take it away. */
  readonly times: number
}

/** An idempotency key: who holds it, and what came of it. */
export type IdRecord =
  | {
      readonly state: 'open'
      readonly digest: string
      /** Until when its holder has time to settle it; 0 where it was released. */
      readonly heldUntil: number
      readonly stored: readonly NodeId[]
    }
  | { readonly state: 'done'; readonly digest: string; readonly receipt: Receipt }

/** What a database would hold, for one prefix. A change is one turn of the event loop: that is all the locking it needs. */
export class MemoryStore {
  readonly nodes = new Map<NodeId, Membership>()
  readonly gone = new Map<NodeId, Departure>()
  readonly hearing: Hearing = { at: 0, heard: this.now(), gaps: 0 }
  nodesVersion = 0

  readonly routes = new RouteTable(() => this.micros())
  readonly parked = new ExpiringMap<Uid, readonly ParkedRow[]>()

  readonly inboxes = new Map<NodeId, Stream>()
  readonly sealed = new Map<NodeId, Stream>()
  readonly aside = new Map<NodeId, { readonly entry: Entry; readonly reason: string }[]>()
  readonly broadcasts = new Stream(() => this.micros())
  readonly places = new Places(this.broadcasts, () => this.now())
  readonly ids = new ExpiringMap<PushId, IdRecord>()
  /** Emits `in:<node>` and `all` when something was appended there. */
  readonly appended = new EventEmitter().setMaxListeners(0)

  hasParkedFor(uid: Uid): boolean {
    return this.parked.get(uid, this.now()) !== undefined
  }

  /** The store's clock: ms since 1970, never set back as a wall clock may be. */
  now(): number {
    return performance.timeOrigin + performance.now()
  }

  micros(): number {
    return Math.floor(this.now() * 1_000)
  }
}
