// Who is where. test/contracts/routes.ts checks every MUST and MUST NOT of this contract.
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
 * A statement of a node about its own connections. A change says how things are now, never what to add or to take away, so
 * writing it twice changes nothing.
 */
export type Change =
  /** All the connections that the user has on this node. If there are none, the user has left it. */
  | { readonly type: 'user'; readonly uid: Uid; readonly connections: readonly ConnectionRecord[] }
  /** Whether this connection is on this node, bound to a user or not. */
  | { readonly type: 'connection'; readonly connection: ConnectionId; readonly present: boolean }
  /** Whether this connection is in the group. */
  | { readonly type: 'member'; readonly group: Group; readonly connection: ConnectionRecord; readonly present: boolean }

export type Applied =
  /**
   * A stamp for each change, in order. The stamp of a `user` or `member` change, whether somebody came, left or has one
   * connection less, MUST be larger than every stamp that a lookup of that user or group gave before. From then on, a
   * lookup of it MUST NOT give a smaller one. The stamp of a `connection` change means nothing.
   */
  | {
      readonly type: 'applied'
      readonly stamps: readonly number[]
      /** Users who were put on this node and for whom something is parked. */
      readonly parked: readonly Uid[]
    }
  /**
   * The node's marker in some partition is gone, because the node was fenced or the store lost it. Nothing was written
   * in that partition. The node MUST join again.
   */
  | { readonly type: 'fenced' }

/** Where a user or a group was found. */
export interface Route {
  readonly nodes: readonly NodeId[]
  /**
   * `nodes` reflects every change of the user or group that has a stamp up to this one. Every later change MUST get a
   * larger stamp, also if the user or group is on no node, or has never been on any, or if the store's clock was set
   * back. A store that came back empty MUST begin with its clock, in µs. Two users, or a user and a group, may be in
   * partitions with clocks of their own: see `acrossPartitions`.
   */
  readonly stamp: number
  /** False while the store is being rebuilt after a loss: then "on no node" means "not known yet". */
  readonly settled: boolean
}

export interface Lookup {
  readonly uids: readonly Uid[]
  readonly groups: readonly Group[]
  /**
   * Connections, each with the node that its process runs as now. If that node is not known, only `settled` of the
   * answer counts.
   */
  readonly connections: readonly { readonly connection: ConnectionId; readonly node: NodeId | undefined }[]
}

/** The answers, in the order of what was asked. */
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
  /** The recipients in the batch bear no stamp yet: readers find it beside the batch, see `Entry.stamp`. */
  readonly bytes: Uint8Array
}

export interface Found {
  readonly stamp: number
  /**
   * The nodes that the target is on. Each of them has the batch, except the node that appends it, if that is among
   * them.
   */
  readonly nodes: readonly NodeId[]
}

/** Which users, groups and connections are on which nodes. */
export interface Routes {
  /**
   * Writes changes in order. If the call rejects, its changes MAY be stored in part; the caller then writes them again.
   */
  apply(node: NodeId, changes: readonly Change[]): Promise<Applied>

  /** A lookup MUST cost one round trip, however much it asks for. */
  locate(lookup: Lookup): Promise<Located>

  /**
   * Finds one user or group and appends a batch to the inbox of each node it is on, in one step: to all of them, or to
   * none if one of them does not take it. Only a driver whose State and Queue lie on one server has this call. If
   * nothing was appended, it resolves to undefined: then ask `locate`, and append to each inbox. Lookups that are asked
   * for later MUST run after this call. A batch MUST NOT be appended if the same publisher has called with the same or
   * a larger number before.
   */
  appendWhereFound?(target: LoneTarget, batch: NumberedBatch, self: NodeId | undefined): Promise<Found | undefined>

  /** Takes a node out of the routes of users who have no connection to it. This repairs stale routes. */
  unroute(node: NodeId, uids: readonly Uid[]): Promise<void>

  /** Which users are in which groups through a connection to this node. Asked for before the node is cleaned. */
  groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>>

  connections(uid: Uid): Promise<ConnectionInfo[]>

  /**
   * All pages together MUST return every member that stays, at least once; they MAY return a member again if others
   * come and go. A page MUST have at most `limit` members, and its cost MUST depend on them, not on how many members
   * the group has. Members on an `ignored` node MUST NOT be listed or counted.
   */
  members(
    group: Group,
    limit: number,
    cursor?: string,
    ignored?: ReadonlySet<NodeId>,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }>
}
