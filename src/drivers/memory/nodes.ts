import type { ShutdownReason } from '../../api.ts'
import type { NodeId } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { Eviction, NodeList, NodeRecord, Nodes, Renewal } from '../nodes.ts'
import type { MemoryHandle } from './handle.ts'
import type { MemoryStore } from './memory-store.ts'

/** How long a gone node stays listed after it was cleaned up, in ms, so that every node hears of it. */
const KEEP_GONE = 60_000

export class MemoryNodes implements Nodes {
  readonly #handle: MemoryHandle
  readonly #store: MemoryStore
  readonly #heartbeat: number
  readonly #deadAfter: number

  constructor(handle: MemoryHandle) {
    this.#handle = handle
    this.#store = handle.store
    this.#heartbeat = handle.settings.heartbeat
    this.#deadAfter = handle.settings.deadAfter
  }

  async join(record: NodeRecord): Promise<void> {
    this.#handle.assertOpen()
    const { nodes, gone } = this.#store
    if (gone.has(record.node)) {
      throw new FlotillaError('FLT_INTERNAL', `${record.node} was evicted: join again under a new id`)
    }
    const at = this.#listen()
    const { heard: lastSeen, gaps: seenInGap } = this.#store.hearing
    const deadAfter = this.#deadAfter
    const leaseUntil = at + deadAfter
    nodes.set(record.node, { record, deadAfter, connectionCount: 0, lastSeen, seenInGap, leaseUntil })
    this.#store.nodesVersion++
  }

  async renew(node: NodeId, connectionCount: number): Promise<Renewal> {
    this.#handle.assertOpen()
    const membership = this.#store.nodes.get(node)
    if (membership === undefined) return { type: 'evicted' }
    const at = this.#listen()
    const { heard: lastSeen, gaps: seenInGap } = this.#store.hearing
    Object.assign(membership, { connectionCount, lastSeen, seenInGap, leaseUntil: at + this.#deadAfter })
    const others = [...this.#store.nodes].filter(([other]) => other !== node)
    const left = others.map(([, { leaseUntil }]) => leaseUntil - at).filter((ms) => ms >= 0)
    return {
      type: 'renewed',
      version: this.#store.nodesVersion,
      overdue: others.filter(([, { leaseUntil }]) => leaseUntil < at).map(([id]) => id),
      orphaned: [...this.#store.gone].flatMap(([id, { cleanedAt, claim }]) =>
        cleanedAt === undefined && (claim?.until ?? 0) < this.#store.now() ? id : [],
      ),
      nextExpiry: left.length === 0 ? undefined : Math.min(...left),
    }
  }

  async nodes(): Promise<NodeList> {
    this.#handle.assertOpen()
    const { nodes, gone, nodesVersion } = this.#store
    const now = this.#store.now()
    for (const [node, { cleanedAt }] of gone) {
      if (cleanedAt !== undefined && cleanedAt + KEEP_GONE < now) gone.delete(node)
    }
    return {
      version: nodesVersion,
      live: [...nodes.values()].map(({ record, lastSeen, deadAfter, connectionCount }) => ({
        ...record,
        lastSeen: Math.round(lastSeen),
        deadAfter,
        connectionCount,
      })),
      gone: [...gone].map(([node, { reason, cleanedAt }]) => ({ node, reason, cleaned: cleanedAt !== undefined })),
    }
  }

  async reportCount(node: NodeId, connectionCount: number): Promise<void> {
    this.#handle.assertOpen()
    const membership = this.#store.nodes.get(node)
    if (membership !== undefined) membership.connectionCount = connectionCount
  }

  async evict(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<Eviction> {
    this.#handle.assertOpen()
    const { nodes, gone, hearing } = this.#store
    const membership = nodes.get(node)
    if (membership === undefined && !gone.has(node)) return 'refused'
    if (membership !== undefined) {
      // Invariant N3: the lease has run out, and whoever says so holds one.
      if (reason === 'dead' && (membership.leaseUntil >= hearing.at || !nodes.has(by))) return 'refused'
      nodes.delete(node)
      gone.set(node, { reason })
      this.#store.nodesVersion++
    }
    return this.#claim(node, by, this.#heartbeat / 2) ? 'claimed' : 'held'
  }

  async claim(node: NodeId, by: NodeId, ttl: number): Promise<boolean> {
    this.#handle.assertOpen()
    return this.#claim(node, by, ttl)
  }

  /** Has nothing to do: the lease is also the marker, and an evicted node has none. */
  async fence(): Promise<void> {
    this.#handle.assertOpen()
  }

  async unlist(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    if (!this.#store.nodes.has(node)) this.#store.routes.unlist(node)
  }

  async clean(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    if (!this.#store.nodes.has(node)) this.#store.routes.clean(node)
  }

  async forget(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    const departure = this.#store.gone.get(node)
    if (departure === undefined || departure.cleanedAt !== undefined) return
    departure.cleanedAt = this.#store.now()
    this.#store.nodesVersion++
  }

  #claim(node: NodeId, by: NodeId, ttl: number): boolean {
    const { gone } = this.#store
    const departure = gone.get(node)
    if (departure === undefined || departure.cleanedAt !== undefined) return false
    const now = this.#store.now()
    const { claim } = departure
    if (claim !== undefined && claim.by !== by && claim.until >= now) return false
    departure.claim = { by, until: now + ttl }
    return true
  }

  /**
   * Counts the time since a node was last heard, and notes that one is heard now. `renew` in drivers/nodes.ts says why,
   * and what a gap is.
   */
  #listen(): number {
    const { nodes, hearing } = this.#store
    const now = this.#store.now()
    const passed = now - hearing.heard
    hearing.heard = now
    if (passed <= this.#deadAfter / 2) return (hearing.at += passed)
    // Invariant N1: a silence of all counts as one heartbeat, or the first one back would evict all the others.
    hearing.at += this.#heartbeat
    // Invariant N2: whoever missed the turn before gets no new lease.
    const heardSince = [...nodes.values()].filter(({ seenInGap }) => seenInGap === hearing.gaps)
    for (const membership of heardSince) membership.leaseUntil = hearing.at + this.#deadAfter
    hearing.gaps++
    return hearing.at
  }
}
