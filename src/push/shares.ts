import type { Located, Lookup, Route } from '../drivers/routes.ts'
import type { Address, GroupRef, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'

/** What one node gets of a push. */
export interface Share {
  readonly node: NodeId
  readonly to: Address
}

/** What a target comes to once it is located: who gets which part of it, and who is nowhere. */
export interface Shares {
  readonly shares: readonly Share[]
  readonly offline: readonly string[]
}

const NOBODY: readonly string[] = Object.freeze([])

type StandIn = (node: NodeId) => NodeId | undefined

/** Answers of one lookup, found again by what was asked. */
export class Answers {
  readonly #standIn: StandIn
  readonly #uids = new Map<Uid, Route>()
  readonly #groups = new Map<Group, Route>()
  readonly #connections = new Map<ConnectionId, Route>()
  /** Of users who were asked for alone: the busier the node, the more often it is the same ones in one lookup. */
  readonly #sharesOfOne = new Map<Uid, Shares>()

  /** @param standIn says which node to write to in a node's place, if any */
  constructor(asked: Lookup, located: Located, standIn: StandIn) {
    this.#standIn = standIn
    for (const [index, uid] of asked.uids.entries()) this.#uids.set(uid, located.uids[index]!)
    for (const [index, group] of asked.groups.entries()) this.#groups.set(group, located.groups[index]!)
    for (const [index, { connection }] of asked.connections.entries()) {
      this.#connections.set(connection, located.connections[index]!)
    }
  }

  /** False while the store is being rebuilt: then somebody who is there may be missing. */
  isSure(target: Exclude<ParsedTarget, { type: 'all' }>): boolean {
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

  /** Splits a target by node, leaving out the one that is known not to have it. */
  share(target: Exclude<ParsedTarget, { type: 'all' }>, ignored: NodeId | undefined): Shares {
    const isOneUser = target.type === 'users' && target.uids.length === 1
    if (isOneUser && ignored === undefined) return this.#shareOne(target.uids[0]!)
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

  /** What most pushes are: for one user, who is on one node. */
  #shareOne(uid: Uid): Shares {
    const known = this.#sharesOfOne.get(uid)
    if (known !== undefined) return known
    const shares = shareOne(uid, this.#uids.get(uid), this.#standIn)
    this.#sharesOfOne.set(uid, shares)
    return shares
  }
}

function shareOne(uid: Uid, route: Route | undefined, standIn: StandIn): Shares {
  const parts = new Parts<UserRef>(standIn)
  const isSomewhere = parts.add(route, (stamp) => ({ uid, stamp }))
  return {
    shares: parts.shares((users) => ({ type: 'users', users })),
    offline: isSomewhere ? NOBODY : Object.freeze([uid]),
  }
}

/** The parts of a target, by node. Few nodes host one target, so a list is searched sooner than a map is made. */
class Parts<Ref> {
  readonly #standIn: StandIn
  readonly #parts: { readonly node: NodeId; readonly refs: Ref[] }[] = []

  constructor(standIn: StandIn) {
    this.#standIn = standIn
  }

  /** False where the route leads nowhere. */
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

  shares(addressOf: (refs: readonly Ref[]) => Address): Share[] {
    return this.#parts.map(({ node, refs }) => ({ node, to: addressOf(refs) }))
  }
}
