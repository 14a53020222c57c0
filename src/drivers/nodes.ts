// Who is in the cluster. test/contracts/nodes.ts checks every MUST and MUST NOT of this contract.
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
  /** How long the node's lease lasts, in ms; 0 if that is not known. */
  readonly deadAfter: number
  readonly connectionCount: number
}

/**
 * A node that has left. It stays listed until it was cleaned up, and a minute longer, so that every other node hears of
 * it.
 */
export interface GoneNode {
  readonly node: NodeId
  readonly reason: ShutdownReason
  /** Whether nothing of the node is left in the store: no binding, no inbox. */
  readonly cleaned: boolean
}

export interface NodeList {
  /**
   * Grows whenever a node joins, leaves, is cleaned up or is no longer listed. The store never gives a version twice,
   * even if it has lost some.
   */
  readonly version: number
  readonly live: readonly LiveNode[]
  readonly gone: readonly GoneNode[]
}

export type Renewal =
  | { readonly type: 'evicted' }
  | {
      readonly type: 'renewed'
      /** The version of the node list. Ask for `nodes` when it has changed. */
      readonly version: number
      /** Nodes whose lease has run out, so that another node may evict them. */
      readonly overdue: readonly NodeId[]
      /** Gone nodes that are not cleaned up and on which nobody holds a claim any more. Another node has to claim them. */
      readonly orphaned: readonly NodeId[]
      /**
       * ms until the next lease of another node runs out, if that node does not renew it and some node is heard until
       * then.
       */
      readonly nextExpiry: number | undefined
    }

/**
 * The outcome of an eviction. `claimed`: the node is gone, and the caller has to clean up after it. `held`: the node is
 * gone, and another node is cleaning up after it, or has done so. `refused`: the node keeps its lease, or the store
 * does not know it.
 */
export type Eviction = 'claimed' | 'held' | 'refused'

/** The leases of nodes, and the steps in which other nodes clean up after one that is gone. */
export interface Nodes {
  /**
   * Lists a node and lets it write. When it resolves, every marker MUST be in place and the lease MUST still stand.
   * Whatever a node leaves behind if it dies while joining MUST expire by itself or be listed as gone.
   */
  join(node: NodeRecord): Promise<void>

  /**
   * Renews the lease, which lasts `deadAfter`. Once the lease was taken away, the answer MUST be `evicted` for ever.
   *
   * A lease MUST run by the store's clock alone, and only while some node is heard, by `join` or `renew`. If no node is
   * heard for longer than half of `deadAfter`, that is a gap: all nodes may have died, or the store was away, and
   * nobody can tell. A gap MUST count as one heartbeat, however long it was. If the clock was set back, that MUST be a
   * gap that counts as nothing. A node that was heard since the gap before MUST have a whole lease after this one,
   * otherwise the first node back would evict all the others. The lease of any other node MUST run on, otherwise a
   * single node that keeps crashing would list its dead for ever.
   */
  renew(node: NodeId, connectionCount: number): Promise<Renewal>

  /**
   * A node whose lease was taken away MUST NOT be listed as live. Given a list that it answered before, the call MUST
   * read no more than what has changed since, unless the store cannot tell: too much has changed, or the store has
   * forgotten some of it. With and without that list, the same nodes MUST be live and the same gone; but with it,
   * `lastSeen` and `connectionCount` of a live node MAY be old.
   */
  nodes(known?: NodeList): Promise<NodeList>

  /** Sets the `connectionCount` that `nodes` answers, between two renewals. */
  reportCount(node: NodeId, connectionCount: number): Promise<void>

  /**
   * Takes a node's lease away, and claims for `by`, for half a heartbeat, what the node leaves. It MUST be one command,
   * because all survivors may see a death at once. If the node is gone already, it only claims. With `dead` as the
   * reason, it MUST do nothing and answer `refused` if the lease has not run out (see `renew`) or `by` has no lease
   * itself. Calling it twice MUST be safe.
   */
  evict(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<Eviction>

  /**
   * Claims what a gone node has left, for `by`, for `ttl` ms by the store's clock. It MUST answer false if the claim of
   * another node has not lapsed, if the node is not gone, or if it was cleaned up. A claim saves work and guards
   * nothing.
   */
  claim(node: NodeId, by: NodeId, ttl: number): Promise<boolean>

  /**
   * Takes an evicted node's markers away, so that nothing the node writes from then on has an effect, however late it
   * arrives. The node is cleaned only after that, so that what it wrote before goes with the rest. Calling it twice
   * MUST be safe.
   */
  fence(node: NodeId): Promise<void>

  /**
   * Takes a fenced node out of every lookup and list. Until the node is cleaned, `groupsOn` MUST still know who was in
   * its groups. Calling it twice, or at the same time as others, MUST be safe.
   */
  unlist(node: NodeId): Promise<void>

  /**
   * Removes everything that a fenced node had written, such as bindings and memberships. Calling it twice, or at the
   * same time as others, MUST be safe.
   */
  clean(node: NodeId): Promise<void>

  /** Marks a gone node as cleaned up. */
  forget(node: NodeId): Promise<void>
}
