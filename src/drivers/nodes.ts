// Who is in the cluster. MUST and MUST NOT are promises that test/contracts/nodes.ts asks of every driver.
import type { ShutdownReason } from '../api.ts'
import type { NodeId } from '../envelope/ids.ts'

export interface NodeRecord {
  readonly node: NodeId
  readonly name: string
  readonly url?: string | undefined
  readonly startedAt: number
}

export interface LiveNode extends NodeRecord {
  readonly node: NodeId
  /** ms since 1970 by the store's clock. */
  readonly lastSeen: number
  /** ms that its lease lasts; 0 if that is not known. */
  readonly deadAfter: number
  readonly connectionCount: number
}

/** A node that has left; it is listed until it was cleaned up, and a minute longer, so that every other node hears of it. */
export interface GoneNode {
  readonly node: NodeId
  readonly reason: ShutdownReason
  /** Nothing of it is left in the store: no binding, no inbox. */
  readonly cleaned: boolean
}

export interface NodeList {
  /** Grows whenever a node joins, leaves, was cleaned up or is no longer listed; one that was lost is never given again. */
  readonly version: number
  readonly live: readonly LiveNode[]
  readonly gone: readonly GoneNode[]
}

export type Renewal =
  | { readonly type: 'evicted' }
  | {
      readonly type: 'renewed'
      /** The version of the node list: ask for `nodes` when it is another. */
      readonly version: number
      /** Nodes whose lease has run out. */
      readonly overdue: readonly NodeId[]
      /** Gone nodes that are not cleaned up, and whose claim has lapsed: somebody is to do it. */
      readonly orphaned: readonly NodeId[]
      /** ms until the next lease of another node runs out, if it is not renewed and somebody is heard until then. */
      readonly nextExpiry: number | undefined
    }

/**
 * What came of an eviction. `claimed`: the node is gone, and it is the caller's to clean up after it. `held`: it is gone, and
 * another is at that, or has done it. `refused`: it keeps its lease, or the store does not know it.
 */
export type Eviction = 'claimed' | 'held' | 'refused'

/** Nodes: the lease of each, and the steps in which others clean up after one that has gone. */
export interface Nodes {
  /**
   * Lists a node and lets it write. MUST have every marker in place, and the lease still standing, when it resolves;
   * what a joining node leaves behind when it dies halfway MUST go by itself or be listed as gone.
   */
  join(node: NodeRecord): Promise<void>

  /**
   * Renews the lease, which lasts `deadAfter`. MUST answer `evicted` for ever once the lease was taken away.
   *
   * A lease MUST run by the store's clock alone, and only while some node is heard, by `join` or `renew`. If nobody is
   * heard for longer than half of `deadAfter`, that is a gap: all may have died, or the store was away, and nobody can
   * tell. A gap MUST count as one heartbeat, however long it was; if the clock was set back, that MUST be a gap that counts
   * as nothing. A node that was heard since the gap before MUST have a whole lease after it, otherwise the first node back
   * would evict all the others. The time of one that was not MUST run on, otherwise a single node that keeps crashing
   * would list its dead for ever.
   */
  renew(node: NodeId, connectionCount: number): Promise<Renewal>

  /**
   * MUST NOT list a node as live whose lease was taken away. Given a list that it answered before, it MUST read no more
   * than what has changed since, unless the store cannot tell: too much has changed, or the store has forgotten some of
   * it. Who is live and who is gone MUST be the same as without it; what a live node was last seen and counted with MAY
   * then be old.
   */
  nodes(known?: NodeList): Promise<NodeList>

  /** Sets the number that `nodes` tells, between two renewals. */
  reportCount(node: NodeId, connectionCount: number): Promise<void>

  /**
   * Takes a node's lease away, and claims for `by`, for half a heartbeat, what it leaves: all survivors may see a death at
   * once, so it MUST be one command. Of a node that is gone it only claims. With `dead` as the reason it MUST do nothing
   * and answer `refused` if the lease has not run out (see `renew`), or if `by` has none itself. MUST be safe twice.
   */
  evict(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<Eviction>

  /**
   * Keeps what a gone node has left for `by` for `ttl` ms by the store's clock. MUST answer false where another's claim has
   * not lapsed, and of a node that is not gone or was cleaned up. It saves work and guards nothing.
   */
  claim(node: NodeId, by: NodeId, ttl: number): Promise<boolean>

  /**
   * Takes an evicted node's markers away, so that nothing it writes from then on has an effect, however late it arrives. Only
   * then is it cleaned: what it wrote before goes with the rest. MUST be safe twice.
   */
  fence(node: NodeId): Promise<void>

  /**
   * Takes a fenced node out of every lookup and list. `groupsOn` MUST still know who was in its groups, until it is cleaned.
   * MUST be safe twice, and beside others.
   */
  unlist(node: NodeId): Promise<void>

  /** Removes what a fenced node had written: bindings, memberships, everything. MUST be safe twice, and beside others. */
  clean(node: NodeId): Promise<void>

  /** Marks a gone node as cleaned. */
  forget(node: NodeId): Promise<void>
}
