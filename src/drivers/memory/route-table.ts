import type { ConnectionInfo } from '../../api.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { Change, ConnectionRecord, Located, Lookup, Route } from '../routes.ts'
import { Crowd } from './crowd.ts'

interface User {
  /** Only nodes on which the user has a connection. So a route is never stale. */
  readonly byNode: Map<NodeId, readonly ConnectionRecord[]>
}

type Members = { members: ConnectionInfo[]; memberCount: number; cursor?: string }

/** Which users, groups and connections are on which nodes. */
export class RouteTable {
  readonly #users = new Map<Uid, User>()
  readonly #groups = new Map<Group, Crowd>()
  readonly #connections = new Map<ConnectionId, NodeId>()
  /** Who was in the groups of nodes that are no longer listed. */
  readonly #groupsOfUnlisted = new Map<NodeId, Map<Group, Uid[]>>()
  readonly #micros: () => number
  /** The last stamp. All users and groups share it, which is more than the contract asks for. */
  #stamp: number

  /** @param micros the store's clock, in µs */
  constructor(micros: () => number) {
    this.#micros = micros
    this.#stamp = micros()
  }

  apply(node: NodeId, change: Change): number {
    const stamp = this.#nextStamp()
    switch (change.type) {
      case 'user':
        this.#setUser(node, change.uid, change.connections)
        return stamp
      case 'connection':
        this.#setConnection(node, change.connection, change.present)
        return stamp
      case 'member':
        if (change.present) this.#addMember(node, change.group, change.connection, stamp)
        else this.#removeMember(node, change.group, change.connection.connection)
        return stamp
      default:
        throw change satisfies never
    }
  }

  unlist(node: NodeId): void {
    if (!this.#groupsOfUnlisted.has(node)) this.#groupsOfUnlisted.set(node, this.groupsOn(node))
    this.#remove(node)
  }

  clean(node: NodeId): void {
    this.#groupsOfUnlisted.delete(node)
    this.#remove(node)
  }

  #remove(node: NodeId): void {
    this.#nextStamp()
    for (const uid of this.#users.keys()) this.#removeUser(node, uid)
    for (const [group, crowd] of this.#groups) {
      crowd.removeAll(node)
      this.#dropIfEmpty(group, crowd)
    }
    for (const connection of this.#connections.keys()) this.#setConnection(node, connection, false)
  }

  locate({ uids, groups, connections }: Lookup): Located {
    return {
      uids: uids.map((uid) => this.#routeOf(this.#users.get(uid)?.byNode.keys() ?? [])),
      groups: groups.map((group) => this.#routeOf(this.#groups.get(group)?.nodes ?? [])),
      connections: connections.map(({ connection, node }) =>
        this.#routeOf(node !== undefined && this.#connections.get(connection) === node ? [node] : []),
      ),
    }
  }

  nodesOf(uid: Uid): NodeId[] {
    return [...(this.#users.get(uid)?.byNode.keys() ?? [])]
  }

  groupsOn(node: NodeId): Map<Group, Uid[]> {
    const kept = this.#groupsOfUnlisted.get(node)
    if (kept !== undefined) return kept
    const found = new Map<Group, Uid[]>()
    for (const [group, crowd] of this.#groups) {
      const uids = crowd.uidsOn(node)
      if (uids.length > 0) found.set(group, uids)
    }
    return found
  }

  connectionsOf(uid: Uid): ConnectionInfo[] {
    const byNode = this.#users.get(uid)?.byNode ?? []
    return [...byNode].flatMap(([node, records]) => records.map((record) => ({ ...infoOf(record, node), uid })))
  }

  membersOf(group: Group, limit: number, cursor = '-1', ignored: ReadonlySet<NodeId> = new Set()): Members {
    if (!/^-?\d+$/.test(cursor)) {
      throw new FlotillaError('FLT_BAD_REQUEST', 'cursor does not come from an earlier page: begin without one')
    }
    const crowd = this.#groups.get(group) ?? new Crowd()
    const members: ConnectionInfo[] = []
    let memberCount = crowd.size
    for (const node of ignored) memberCount -= crowd.sizeOn(node)
    let last = cursor
    for (const { record, node, order } of crowd.after(Number(cursor))) {
      if (ignored.has(node)) continue
      if (members.length === limit) return { members, memberCount, cursor: last }
      members.push(infoOf(record, node))
      last = String(order)
    }
    return { members, memberCount }
  }

  #nextStamp(): number {
    // Invariant R3: stamps never run back, whatever becomes of the clock.
    this.#stamp = Math.max(this.#stamp + 1, this.#micros())
    return this.#stamp
  }

  /** Nothing in memory is ever lost and rebuilt, so a lookup that finds nobody is always settled. */
  #routeOf(nodes: Iterable<NodeId>): Route {
    return { nodes: [...nodes], stamp: this.#stamp, settled: true }
  }

  #setUser(node: NodeId, uid: Uid, connections: readonly ConnectionRecord[]): void {
    if (connections.length === 0) return this.#removeUser(node, uid)
    const user: User = this.#users.get(uid) ?? { byNode: new Map() }
    user.byNode.set(node, [...connections])
    this.#users.set(uid, user)
  }

  #removeUser(node: NodeId, uid: Uid): void {
    const user = this.#users.get(uid)
    user?.byNode.delete(node)
    if (user?.byNode.size === 0) this.#users.delete(uid)
  }

  #setConnection(node: NodeId, connection: ConnectionId, present: boolean): void {
    if (present) this.#connections.set(connection, node)
    else if (this.#connections.get(connection) === node) this.#connections.delete(connection)
  }

  #addMember(node: NodeId, group: Group, record: ConnectionRecord, stamp: number): void {
    const crowd = this.#groups.get(group) ?? new Crowd()
    crowd.add(node, record, stamp)
    this.#groups.set(group, crowd)
  }

  #removeMember(node: NodeId, group: Group, connection: ConnectionId): void {
    const crowd = this.#groups.get(group)
    if (crowd === undefined) return
    crowd.remove(node, connection)
    this.#dropIfEmpty(group, crowd)
  }

  #dropIfEmpty(group: Group, crowd: Crowd): void {
    if (crowd.size === 0) this.#groups.delete(group)
  }
}

function infoOf({ connection, uid, path, ip, since }: ConnectionRecord, node: NodeId): ConnectionInfo {
  return { connection, ...(uid === undefined ? {} : { uid }), node, path, ip, since }
}
