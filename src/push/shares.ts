import type { Located, Lookup, Route } from '../drivers/state.ts'
import type { Address, GroupRef, UserRef } from '../protocol/envelope.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../protocol/ids.ts'
import type { ParsedTarget } from '../protocol/target.ts'

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

const NO_NODES: readonly NodeId[] = []
const NOBODY: readonly string[] = []

type StandIn = (node: NodeId) => NodeId | undefined

/** Answers of one lookup, found again by what was asked. */
export class Answers {
  readonly #uids = new Map<Uid, Route>()
  readonly #groups = new Map<Group, Route>()
  readonly #connections = new Map<ConnectionId, Route>()

  constructor(asked: Lookup, located: Located) {
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

  /** Splits a target by node. `standIn` says which node to write to in a node's place, if any. */
  share(target: Exclude<ParsedTarget, { type: 'all' }>, standIn: StandIn): Shares {
    switch (target.type) {
      case 'users': {
        const [uid] = target.uids
        if (uid !== undefined && target.uids.length === 1) return shareOne(uid, this.#uids.get(uid), standIn)
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
}

/** What most pushes are: for one user, who is on one node. */
function shareOne(uid: Uid, route: Route | undefined, standIn: StandIn): Shares {
  const shares: Share[] = []
  for (const listed of route?.nodes ?? NO_NODES) {
    const node = standIn(listed)
    if (node === undefined || shares.some((share) => share.node === node)) continue
    shares.push({ node, to: { type: 'users', users: [{ uid, stamp: route!.stamp }] } })
  }
  return { shares, offline: shares.length === 0 ? [uid] : NOBODY }
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
