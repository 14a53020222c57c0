import { FlotillaError } from '../../errors.ts'
import type { ConnectionInfo } from '../../api.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../../protocol/ids.ts'
import type { Change, ConnectionRecord, Located, Lookup, Route } from '../state.ts'

interface User {
  /** Only nodes on which the user has a connection, so that a route is never stale. */
  readonly byNode: Map<NodeId, readonly ConnectionRecord[]>
}

interface Member {
  readonly record: ConnectionRecord
  readonly node: NodeId
  /** Its place in the group: a page goes on behind it. */
  readonly order: number
}

interface Crowd {
  readonly members: Map<ConnectionId, Member>
}

type Members = { members: ConnectionInfo[]; memberCount: number; cursor?: string }

/** Which users, groups and connections are on which nodes. */
export class Bindings {
  readonly #users = new Map<Uid, User>()
  readonly #groups = new Map<Group, Crowd>()
  readonly #connections = new Map<ConnectionId, NodeId>()
  readonly #micros: () => number
  /** Counts over all users and groups, which is more than is asked. */
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

  clean(node: NodeId): void {
    this.#nextStamp()
    for (const uid of this.#users.keys()) this.#removeUser(node, uid)
    for (const [group, { members }] of this.#groups) {
      for (const connection of members.keys()) this.#removeMember(node, group, connection)
    }
    for (const connection of this.#connections.keys()) this.#setConnection(node, connection, false)
  }

  locate({ uids, groups, connections }: Lookup): Located {
    return {
      uids: uids.map((uid) => this.#routeOf(this.#users.get(uid)?.byNode.keys() ?? [])),
      groups: groups.map((group) => {
        const nodes = Array.from(this.#groups.get(group)?.members.values() ?? [], (member) => member.node)
        return this.#routeOf(new Set(nodes))
      }),
      connections: connections.map(({ connection, node }) =>
        this.#routeOf(node !== undefined && this.#connections.get(connection) === node ? [node] : []),
      ),
    }
  }

  nodesOf(uid: Uid): NodeId[] {
    return [...(this.#users.get(uid)?.byNode.keys() ?? [])]
  }

  groupsOn(node: NodeId): Map<Group, Uid[]> {
    const found = new Map<Group, Uid[]>()
    for (const [group, { members }] of this.#groups) {
      const here = [...members.values()].filter((member) => member.node === node)
      const uids = new Set(here.flatMap(({ record }) => record.uid ?? []))
      if (uids.size > 0) found.set(group, [...uids])
    }
    return found
  }

  connectionsOf(uid: Uid): ConnectionInfo[] {
    const byNode = this.#users.get(uid)?.byNode ?? []
    return [...byNode].flatMap(([node, records]) => records.map((record) => ({ ...infoOf(record, node), uid })))
  }

  membersOf(group: Group, limit: number, cursor = '-1', ignored: ReadonlySet<NodeId> = new Set()): Members {
    const members = [...(this.#groups.get(group)?.members.values() ?? [])]
    const all = members.filter(({ node }) => !ignored.has(node))
    if (!/^-?\d+$/.test(cursor)) {
      throw new FlotillaError('FLT_BAD_REQUEST', 'cursor is not one that a page before gave: begin without it')
    }
    const rest = all.filter(({ order }) => order > Number(cursor))
    const page = rest.slice(0, limit)
    const more = rest.length > page.length ? { cursor: String(page.at(-1)?.order ?? cursor) } : {}
    return { members: page.map(({ record, node }) => infoOf(record, node)), memberCount: all.length, ...more }
  }

  #nextStamp(): number {
    this.#stamp = Math.max(this.#stamp + 1, this.#micros())
    return this.#stamp
  }

  /** Nothing here is ever lost and rebuilt, so "nobody" is always known. */
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

  /** Written again it keeps its place, so that no page shows it twice. */
  #addMember(node: NodeId, group: Group, record: ConnectionRecord, stamp: number): void {
    const crowd: Crowd = this.#groups.get(group) ?? { members: new Map() }
    const order = crowd.members.get(record.connection)?.order ?? stamp
    crowd.members.set(record.connection, { record, node, order })
    this.#groups.set(group, crowd)
  }

  /** The connection may meanwhile be a member through its node's next incarnation: then it stays. */
  #removeMember(node: NodeId, group: Group, connection: ConnectionId): void {
    const members = this.#groups.get(group)?.members
    if (members?.get(connection)?.node === node) members.delete(connection)
    if (members?.size === 0) this.#groups.delete(group)
  }
}

function infoOf({ connection, uid, path, ip, since }: ConnectionRecord, node: NodeId): ConnectionInfo {
  return { connection, ...(uid === undefined ? {} : { uid }), node, path, ip, since }
}
