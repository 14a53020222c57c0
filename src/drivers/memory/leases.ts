import type { ShutdownReason } from '../../api.ts'
import { FlotillaError } from '../../errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { DriverSettings } from '../driver.ts'
import type { NodeList, NodeRecord, Renewal } from '../state.ts'
import type { Membership, MemoryStore } from './memory-store.ts'

/** How long a gone node stays listed after it was cleaned up, so that every node hears of it. */
const KEEP_GONE = 60_000

/** Who is in the cluster, and who may say that another no longer is. */
export class Leases {
  readonly #store: MemoryStore
  readonly #heartbeat: number
  readonly #deadAfter: number

  constructor(store: MemoryStore, { heartbeat, deadAfter }: DriverSettings) {
    this.#store = store
    this.#heartbeat = heartbeat
    this.#deadAfter = deadAfter
  }

  join(record: NodeRecord): void {
    const { nodes, gone } = this.#store
    if (gone.has(record.node)) {
      throw new FlotillaError('FLT_INTERNAL', `${record.node} was evicted: join again under a new id`)
    }
    const now = this.#store.now()
    const steadySince = nodes.get(record.node)?.steadySince ?? now
    nodes.set(record.node, {
      record,
      connectionCount: 0,
      lastSeen: now,
      steadySince,
      leaseUntil: now + this.#deadAfter,
    })
    this.#store.nodesVersion++
  }

  renew(node: NodeId, connectionCount: number): Renewal {
    const membership = this.#store.nodes.get(node)
    if (membership === undefined) return { type: 'evicted' }
    const now = this.#store.now()
    // After a gap this node was away itself, so it cannot tell who else was.
    if (!this.#isFresh(membership, now)) membership.steadySince = now
    Object.assign(membership, { connectionCount, lastSeen: now, leaseUntil: now + this.#deadAfter })
    const others = [...this.#store.nodes].filter(([other]) => other !== node)
    const left = others.map(([, { leaseUntil }]) => leaseUntil - now).filter((ms) => ms >= 0)
    return {
      type: 'renewed',
      version: this.#store.nodesVersion,
      overdue: this.#mayEvict(node, now) ? others.filter(([, other]) => other.leaseUntil < now).map(([id]) => id) : [],
      nextExpiry: left.length === 0 ? undefined : Math.min(...left),
    }
  }

  list(): NodeList {
    const { nodes, gone, nodesVersion } = this.#store
    const now = this.#store.now()
    for (const [node, { cleanedAt }] of gone) {
      if (cleanedAt !== undefined && cleanedAt + KEEP_GONE < now) gone.delete(node)
    }
    return {
      version: nodesVersion,
      live: [...nodes.values()].map(({ record, lastSeen, connectionCount }) => ({
        ...record,
        lastSeen: Math.round(lastSeen),
        connectionCount,
      })),
      gone: [...gone].map(([node, { reason, cleanedAt }]) => ({ node, reason, cleaned: cleanedAt !== undefined })),
    }
  }

  /** The lease is also the marker: without it no change is taken. */
  evict(node: NodeId, reason: ShutdownReason, by: NodeId): boolean {
    const { nodes, gone } = this.#store
    const membership = nodes.get(node)
    if (membership === undefined) return gone.has(node)
    const now = this.#store.now()
    if (reason === 'dead' && (membership.leaseUntil >= now || !this.#mayEvict(by, now))) return false
    nodes.delete(node)
    gone.set(node, { reason })
    this.#store.nodesVersion++
    return true
  }

  claim(node: NodeId, by: NodeId, ttl: number): boolean {
    const { claims } = this.#store
    const now = this.#store.now()
    if ((claims.get(node, now) ?? by) !== by) return false
    claims.set(node, by, now, ttl)
    return true
  }

  forget(node: NodeId): void {
    this.#store.claims.delete(node)
    const departure = this.#store.gone.get(node)
    if (departure === undefined || departure.cleanedAt !== undefined) return
    departure.cleanedAt = this.#store.now()
    this.#store.nodesVersion++
  }

  #mayEvict(node: NodeId, now: number): boolean {
    const membership = this.#store.nodes.get(node)
    if (membership === undefined || !this.#isFresh(membership, now)) return false
    return now - membership.steadySince >= this.#deadAfter
  }

  #isFresh({ lastSeen }: Membership, now: number): boolean {
    return now - lastSeen <= 2 * this.#heartbeat
  }
}
