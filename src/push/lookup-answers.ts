import type { Located, Lookup, Route } from '../drivers/routes.ts'
import type { Recipients, GroupRef, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'
import type { LocatableTarget } from './targets.ts'

/** The part of a push that one node gets. */
export interface Share {
  readonly node: NodeId
  readonly to: Recipients
}

/** A located target, split by node: which node gets which part of it, and who is nowhere. */
export interface Split {
  readonly shares: readonly Share[]
  readonly offline: readonly string[]
  /** The users who are nowhere, with the stamp of the lookup, if the push is to be held for them. */
  readonly away?: readonly UserRef[]
}

const NOBODY: readonly string[] = Object.freeze([])

type StandIn = (node: NodeId) => NodeId | undefined

/** The answers of one lookup, by the names that were asked for. */
export class LookupAnswers {
  readonly #standIn: StandIn
  readonly #uids = new Map<Uid, Route>()
  readonly #groups = new Map<Group, Route>()
  readonly #connections = new Map<ConnectionId, Route>()
  /** Splits of targets that are a single user. The busier the node, the more often one lookup asks for the same user. */
  readonly #splits = new Map<Uid, Split>()

  /** @param standIn says which node to write to in place of another, if any */
  constructor(asked: Lookup, located: Located, standIn: StandIn) {
    this.#standIn = standIn
    for (const [index, uid] of asked.uids.entries()) this.#uids.set(uid, located.uids[index]!)
    for (const [index, group] of asked.groups.entries()) this.#groups.set(group, located.groups[index]!)
    for (const [index, { connection }] of asked.connections.entries()) {
      this.#connections.set(connection, located.connections[index]!)
    }
  }

  /** Returns false while the store is being rebuilt, because users who are connected may be missing then. */
  isSure(target: LocatableTarget): boolean {
    switch (target.type) {
      case 'users':
        return target.uids.every((uid) => this.#uids.get(uid)?.settled === true)
      case 'groups':
        return target.groups.every((group) => this.#groups.get(group)?.settled === true)
      case 'connections':
        return target.connections.every((connection) => this.#connections.get(connection)?.settled === true)
      default:
        throw target satisfies never
    }
  }

  /** @param ignored a node that is left out because it is known not to have the target */
  split(target: LocatableTarget, ignored: NodeId | undefined): Split {
    const isOneUser = target.type === 'users' && target.uids.length === 1
    if (isOneUser && ignored === undefined) return this.#splitOne(target.uids[0]!)
    const standIn = (node: NodeId): NodeId | undefined => (node === ignored ? undefined : this.#standIn(node))
    switch (target.type) {
      case 'users': {
        const parts = new Parts<UserRef>(standIn)
        const offline = target.uids.filter((uid) => !parts.add(this.#uids.get(uid), (stamp) => ({ uid, stamp })))
        return { shares: parts.shares((users) => ({ type: 'users', users })), offline }
      }
      case 'groups': {
        const parts = new Parts<GroupRef>(standIn)
        for (const group of target.groups) parts.add(this.#groups.get(group), (stamp) => ({ group, stamp }))
        // A group that nobody is in is empty, not offline.
        return { shares: parts.shares((groups) => ({ type: 'groups', groups })), offline: [] }
      }
      case 'connections': {
        const parts = new Parts<ConnectionId>(standIn)
        const offline = target.connections.filter((id) => !parts.add(this.#connections.get(id), () => id))
        return { shares: parts.shares((connections) => ({ type: 'connections', connections })), offline }
      }
      default:
        throw target satisfies never
    }
  }

  /** A split of users that says, too, by which stamps those who are nowhere were looked up. */
  withAway(split: Split): Split {
    const uids = split.offline as readonly Uid[]
    return { ...split, away: uids.map((uid) => ({ uid, stamp: this.#uids.get(uid)?.stamp ?? 0 })) }
  }

  /** Most pushes are for one user, who is on one node. */
  #splitOne(uid: Uid): Split {
    const known = this.#splits.get(uid)
    if (known !== undefined) return known
    const split = splitOne(uid, this.#uids.get(uid), this.#standIn)
    this.#splits.set(uid, split)
    return split
  }
}

function splitOne(uid: Uid, route: Route | undefined, standIn: StandIn): Split {
  const parts = new Parts<UserRef>(standIn)
  const isSomewhere = parts.add(route, (stamp) => ({ uid, stamp }))
  return {
    shares: parts.shares((users) => ({ type: 'users', users })),
    offline: isSomewhere ? NOBODY : Object.freeze([uid]),
  }
}

/** The parts of a target, by node. Few nodes host one target, so searching a list takes less than making a map. */
class Parts<Ref> {
  readonly #standIn: StandIn
  readonly #parts: { readonly node: NodeId; readonly refs: Ref[] }[] = []

  constructor(standIn: StandIn) {
    this.#standIn = standIn
  }

  /** Returns false if the route leads nowhere. */
  add(route: Route | undefined, refOf: (stamp: number) => Ref): boolean {
    if (route === undefined) return false
    let isSomewhere = false
    for (const listed of route.nodes) {
      const node = this.#standIn(listed)
      if (node === undefined) continue
      isSomewhere = true
      const part = this.#parts.find((known) => known.node === node)
      if (part === undefined) this.#parts.push({ node, refs: [refOf(route.stamp)] })
      else part.refs.push(refOf(route.stamp))
    }
    return isSomewhere
  }

  shares(recipientsOf: (refs: readonly Ref[]) => Recipients): Share[] {
    return this.#parts.map(({ node, refs }) => ({ node, to: recipientsOf(refs) }))
  }
}
