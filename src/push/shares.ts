import type { Located, Route } from '../drivers/state.ts'
import type { Address, GroupRef, UserRef } from '../protocol/envelope.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../protocol/ids.ts'
import type { ParsedTarget } from '../protocol/target.ts'

/** What a target comes to once it is located: who gets which part of it, and who is nowhere. */
export interface Shares {
  readonly byNode: ReadonlyMap<NodeId, Address>
  readonly offline: readonly string[]
}

type StandIn = (node: NodeId) => NodeId | undefined

/** Answers of one lookup, found again by what was asked. */
export class Answers {
  readonly #uids = new Map<Uid, Route>()
  readonly #groups = new Map<Group, Route>()
  readonly #connections = new Map<ConnectionId, Route>()

  constructor(
    asked: { uids: readonly Uid[]; groups: readonly Group[]; connections: readonly { connection: ConnectionId }[] },
    located: Located,
  ) {
    for (const [index, uid] of asked.uids.entries()) this.#uids.set(uid, located.uids[index]!)
    for (const [index, group] of asked.groups.entries()) this.#groups.set(group, located.groups[index]!)
    for (const [index, { connection }] of asked.connections.entries()) {
      this.#connections.set(connection, located.connections[index]!)
    }
  }

  /** Splits a target by node. `standIn` says which node to write to in a node's place, if any. */
  share(target: Exclude<ParsedTarget, { type: 'all' }>, standIn: StandIn): Shares {
    switch (target.type) {
      case 'users': {
        const byNode = new Map<NodeId, { type: 'users'; users: UserRef[] }>()
        const offline = split(target.uids, this.#uids, standIn, (node, uid, stamp) => {
          partOf(byNode, node, () => ({ type: 'users' as const, users: [] })).users.push({ uid, stamp })
        })
        return { byNode, offline }
      }
      case 'groups': {
        const byNode = new Map<NodeId, { type: 'groups'; groups: GroupRef[] }>()
        split(target.groups, this.#groups, standIn, (node, group, stamp) => {
          partOf(byNode, node, () => ({ type: 'groups' as const, groups: [] })).groups.push({ group, stamp })
        })
        // A group that nobody is in is empty, not offline.
        return { byNode, offline: [] }
      }
      case 'connections': {
        const byNode = new Map<NodeId, { type: 'connections'; connections: ConnectionId[] }>()
        const offline = split(target.connections, this.#connections, standIn, (node, connection) => {
          partOf(byNode, node, () => ({ type: 'connections' as const, connections: [] })).connections.push(connection)
        })
        return { byNode, offline }
      }
      default:
        throw target satisfies never
    }
  }
}

/** Gives each key to its nodes; returns those that have none. */
function split<Key extends string>(
  keys: readonly Key[],
  routes: ReadonlyMap<Key, Route>,
  standIn: StandIn,
  give: (node: NodeId, key: Key, stamp: number) => void,
): Key[] {
  return keys.filter((key) => {
    const route = routes.get(key)
    const nodes = new Set(route?.nodes.flatMap((node) => standIn(node) ?? []))
    for (const node of nodes) give(node, key, route!.stamp)
    return nodes.size === 0
  })
}

function partOf<Part>(byNode: Map<NodeId, Part>, node: NodeId, make: () => Part): Part {
  const known = byNode.get(node)
  if (known !== undefined) return known
  const part = make()
  byNode.set(node, part)
  return part
}
