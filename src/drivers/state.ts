// The contract of State: who is where. MUST and MUST NOT are promises that test/contracts/state.ts asks of every driver.
import type { ConnectionInfo, ShutdownReason } from '../api.ts'
import type { UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, NodeId, PushId, Uid } from '../envelope/ids.ts'

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

export interface ConnectionRecord {
  readonly connection: ConnectionId
  readonly uid?: Uid | undefined
  readonly path: string
  readonly ip: string
  readonly since: number
}

/**
 * What a node says of its own connections. Each says how a thing now is, never what is to be added or taken away, so
 * that writing it twice changes nothing.
 */
export type Change =
  /** These are all the connections that the user has on this node; none: it has left this node. */
  | { readonly type: 'user'; readonly uid: Uid; readonly connections: readonly ConnectionRecord[] }
  /** This connection is here, or no longer: bound to a user or not. */
  | { readonly type: 'connection'; readonly connection: ConnectionId; readonly present: boolean }
  /** This connection is in the group, or no longer. */
  | { readonly type: 'member'; readonly group: Group; readonly connection: ConnectionRecord; readonly present: boolean }

export type Applied =
  /**
   * A stamp for each change, in order. That of a user or of a member, who is here now, has one connection less, or has
   * left, MUST be larger than every stamp that a lookup of that user or group gave before, and no lookup of it MUST give a
   * smaller one from then on. For a connection it means nothing.
   */
  | {
      readonly type: 'applied'
      readonly stamps: readonly number[]
      /** Users who were put here and for whom something is parked. */
      readonly parked: readonly Uid[]
    }
  /** The node's marker is gone, for it was fenced or the store lost it: nothing more was written; it MUST join again. */
  | { readonly type: 'fenced' }

/** A message whose users were nowhere. */
export interface Parcel {
  readonly id: PushId
  readonly bytes: Uint8Array
  readonly users: readonly UserRef[]
}

/** How many messages wait for one user at most, of how many bytes (or a single larger one), and how long, in ms. */
export const MAX_PARKED = 100
export const MAX_PARKED_BYTES = 2 ** 20
export const PARK_FOR = 60_000

/** `found`: the user is somewhere by now, so look up again. `full`: as much waits for that user as may. */
export type Parked = 'parked' | 'found' | 'full'

export interface ParkedMessage {
  readonly position: string
  /** The user's in the parcel. */
  readonly stamp: number
  readonly bytes: Uint8Array
}

/** Where a user or a group was found. */
export interface Route {
  readonly nodes: readonly NodeId[]
  /**
   * The changes of a user or a group that were stored by then are those with a stamp up to this one: `nodes` knows of them
   * all, and every later change MUST get a larger one. So it is for who is nowhere, who has never been anywhere, and
   * where the store's clock was set back. A store that came back empty MUST begin with its clock, in µs. Two
   * users, or a user and a group, may be in partitions with clocks of their own: see `acrossPartitions`.
   */
  readonly stamp: number
  /** False while the store is being rebuilt after a loss: then "nobody" means "not known yet". */
  readonly settled: boolean
}

export interface Lookup {
  readonly uids: readonly Uid[]
  readonly groups: readonly Group[]
  /** Connections with the node that their process now runs as, if it is known; where not, only `settled` is asked for. */
  readonly connections: readonly { readonly connection: ConnectionId; readonly node: NodeId | undefined }[]
}

/** Answers in the order of what was asked. */
export interface Located {
  readonly uids: readonly Route[]
  readonly groups: readonly Route[]
  readonly connections: readonly Route[]
}

/** One user or one group. */
export type LoneTarget =
  | { readonly type: 'user'; readonly uid: Uid }
  | { readonly type: 'group'; readonly group: Group }

export interface NumberedBatch {
  readonly publisher: string
  readonly seq: number
  /** Its addresses bear no stamp yet: readers are told it beside the batch, see `Entry.stamp`. */
  readonly bytes: Uint8Array
}

export interface Found {
  readonly stamp: number
  /** Where the target is. All of them have the batch, but for the node that appends it, if it is among them. */
  readonly nodes: readonly NodeId[]
}

export interface State {
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

  /** Writes changes in order; those of one call MAY be stored in part when it rejects, and are then written again. */
  apply(node: NodeId, changes: readonly Change[]): Promise<Applied>

  /** MUST cost one round trip, however much is asked. */
  locate(lookup: Lookup): Promise<Located>

  /**
   * Where State and Queue lie on one server: finds one user or group and appends a batch to the inbox of each node where it
   * is, in one step: to all or, where one of them does not take it, to none. Nothing where none was appended: then ask
   * `locate`, and append to each. Lookups that are asked for later MUST come after it. A batch with the number of an
   * earlier one of the same publisher MUST NOT be appended again, nor one with a smaller number.
   */
  appendWhereFound?(target: LoneTarget, batch: NumberedBatch, self: NodeId | undefined): Promise<Found | undefined>

  /** Takes a node out of the routes of users of whom it has no connection: the repair of stale routes. */
  unroute(node: NodeId, uids: readonly Uid[]): Promise<void>

  /**
   * Keeps messages for a minute, at most 100 and a MiB for each user, and each push once: several nodes may have held a
   * copy that died with them. Answers for each parcel and each of its users. MUST be one step with what `apply` does:
   * either the user is on a node, which is not `ignored`, and the answer is `found`; or the next `apply` that puts the
   * user on one names it. However many users a message waits for, it SHOULD be stored a bounded number of times.
   */
  park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]>

  /** What is parked for a user, oldest first. It stays there. */
  parkedFor(uid: Uid): Promise<readonly ParkedMessage[]>

  /** Removes what was handed to the user. MUST keep what was parked once more since `parkedFor`: the user has gone again. */
  unpark(uid: Uid, positions: readonly string[]): Promise<void>

  /** Which users are in which groups by a connection to this node: asked for before it is cleaned. */
  groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>>

  connections(uid: Uid): Promise<ConnectionInfo[]>

  /**
   * MUST return every member that stays, at least once, over the pages; MAY return one again where others come and go. A
   * page MUST have at most `limit` of them, and MUST cost about as many, however many there are. MUST neither list nor count
   * those on an `ignored` node.
   */
  members(
    group: Group,
    limit: number,
    cursor?: string,
    ignored?: ReadonlySet<NodeId>,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }>

  /**
   * Tells the listener whenever the store may have forgotten the last of what it answered: a replica took over, or it
   * started again from its disk. The bindings are then to be applied again, and `locate` MUST NOT call settled what it
   * finds nowhere before the nodes had time for it. A store that cannot forget has no such hook.
   */
  onLoss?(listener: () => void): void

  /** Rejects within `timeout` ms unless the store answers. */
  ping(timeout: number): Promise<void>

  /** MUST be safe twice. What is under way then rejects with `FLT_CLOSED`. */
  close(): Promise<void>
}
