// Who is where. MUST and MUST NOT are promises that test/contracts/routes.ts asks of every driver.
import type { ConnectionInfo } from '../api.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'

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

/** Which users, groups and connections are on which nodes. */
export interface Routes {
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

  /** Which users are in which groups by a connection to this node: asked for before it is cleaned. */
  groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>>

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
}
