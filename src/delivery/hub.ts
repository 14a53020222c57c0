import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { GroupRef, Recipients, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import type { Except } from '../envelope/target.ts'
import type { OutboundMessage } from '../outbound/outbound-message.ts'
import { Deliveries } from './deliveries.ts'
import { Departures } from './departures.ts'

/** The index of the connections on this node. It finds those of a user or group, and knows who has left. */
export class Hub implements Iterable<ClientConnection> {
  /** Which connections have had which pushes lately. */
  readonly deliveries: Deliveries
  readonly #byId = new Map<ConnectionId, ClientConnection>()
  readonly #byUid = new Map<Uid, Set<ClientConnection>>()
  readonly #byGroup = new Map<Group, Set<ClientConnection>>()
  readonly #departedUsers = new Departures<Uid>()
  readonly #departedMembers = new Departures()
  /** The offset of the newest broadcast that this node has read. */
  #lastBroadcast = 0

  constructor(deliveries = new Deliveries()) {
    this.deliveries = deliveries
  }

  get size(): number {
    return this.#byId.size
  }

  get userCount(): number {
    return this.#byUid.size
  }

  get groupCount(): number {
    return this.#byGroup.size
  }

  get(id: ConnectionId): ClientConnection | undefined {
    return this.#byId.get(id)
  }

  ofUser(uid: Uid): ReadonlySet<ClientConnection> {
    return this.#byUid.get(uid) ?? NONE
  }

  ofGroup(group: Group): ReadonlySet<ClientConnection> {
    return this.#byGroup.get(group) ?? NONE
  }

  get uids(): Iterable<Uid> {
    return this.#byUid.keys()
  }

  [Symbol.iterator](): Iterator<ClientConnection> {
    return this.#byId.values()
  }

  // ---- who is here

  add(connection: ClientConnection): void {
    this.#byId.set(connection.id, connection)
    connection.lastBroadcast = this.#lastBroadcast
    this.deliveries.came(connection)
  }

  /** Forgets a connection that has closed. Pushes still on their way to it will be forwarded to its user. */
  remove(connection: ClientConnection): void {
    if (!this.#byId.delete(connection.id)) return
    if (connection.uid !== undefined) this.#departedUsers.add(connection.uid, connection)
    for (const group of connection.groupStamps.keys()) {
      this.#departedMembers.add(group, connection)
      unlist(this.#byGroup, group, connection)
    }
    if (connection.uid !== undefined) unlist(this.#byUid, connection.uid, connection)
  }

  setUid(connection: ClientConnection, uid: Uid | undefined): void {
    const before = connection.uid
    if (before !== undefined) {
      unlist(this.#byUid, before, connection)
      this.deliveries.unbound(connection, 'uid', before)
    }
    connection.setUid(uid)
    if (uid !== undefined) {
      list(this.#byUid, uid, connection)
      this.deliveries.bound(connection, 'uid', uid)
    }
  }

  join(connection: ClientConnection, group: Group): void {
    if (connection.groupStamps.has(group)) return
    connection.setGroupStamp(group, UNSTAMPED)
    list(this.#byGroup, group, connection)
    this.deliveries.bound(connection, 'group', group)
  }

  leave(connection: ClientConnection, group: Group): void {
    if (!connection.groupStamps.has(group)) return
    connection.setGroupStamp(group, undefined)
    unlist(this.#byGroup, group, connection)
    this.deliveries.unbound(connection, 'group', group)
  }

  /** Called once State has stored that a connection has left a group: lookups from this stamp on know it. */
  stampDeparture(group: Group, connection: ConnectionId, stamp: number): void {
    this.#departedMembers.stamp(group, connection, stamp)
  }

  /** Connections of a user that have closed, if State has not stored that yet. */
  unstampedUserDepartures(uid: Uid): readonly ConnectionId[] {
    return this.#departedUsers.size === 0 ? NONE_CLOSED : this.#departedUsers.unstamped(uid)
  }

  /** Called once State has stored that these connections have closed: lookups from this stamp on know it. */
  stampUserDepartures(uid: Uid, connections: readonly ConnectionId[], stamp: number): void {
    for (const connection of connections) this.#departedUsers.stamp(uid, connection, stamp)
  }

  /** Whether a connection of the user has closed since the lookup, so that a push may have been on its way to it. */
  hasClosedSince(user: UserRef): boolean {
    return this.#departedUsers.size > 0 && this.#departedUsers.since(user).length > 0
  }

  /** Called when no push can arrive any more that was looked up at this stamp or before. */
  forgetDeparted(upTo: number): void {
    this.#departedMembers.forgetUpTo(upTo)
    this.#departedUsers.forgetUpTo(upTo)
  }

  /** Departures that were forgotten early: a push that was meant for the departed might still have arrived. */
  get forgottenDepartureCount(): number {
    return this.#departedMembers.forgottenCount + this.#departedUsers.forgottenCount
  }

  /** Users who were in one of the groups on this node when it was looked up, but no longer are. */
  departedFrom(groups: readonly GroupRef[], except: Except | undefined): readonly UserRef[] {
    if (this.#departedMembers.size === 0) return NO_USERS
    const found = new Map<Uid, UserRef>()
    for (const ref of groups) {
      for (const user of this.#departedMembers.since(ref))
        if (!this.#isIn(user.uid, ref.group)) found.set(user.uid, user)
    }
    for (const uid of except?.uids ?? []) found.delete(uid)
    return [...found.values()]
  }

  #isIn(uid: Uid, group: Group): boolean {
    for (const connection of this.ofUser(uid)) if (connection.groupStamps.has(group)) return true
    return false
  }

  /** The offset of the newest broadcast that this node has read, or after which it began to read. */
  get lastBroadcast(): number {
    return this.#lastBroadcast
  }

  /** Broadcasts up to this offset are not read here: a connection that comes later may have missed them elsewhere. */
  skipBroadcasts(offset: number): void {
    this.#lastBroadcast = Math.max(this.#lastBroadcast, offset)
  }

  /**
   * Called for each broadcast that this node reads. A store that was lost numbers broadcasts from the start again:
   * everybody here gets all that come from now on.
   */
  advanceTo(offset: number): void {
    // Invariant A4: offsets tell who was here already, even if they begin anew.
    if (offset < this.#lastBroadcast) {
      for (const connection of this) connection.lastBroadcast = Math.min(connection.lastBroadcast, offset - 1)
    }
    this.#lastBroadcast = offset
  }

  /** Hands one message to every connection here that is not skipped. Returns how many got it. */
  writeToAll(message: OutboundMessage, isSkipped: (connection: ClientConnection) => boolean): number {
    let count = 0
    for (const connection of this.#byId.values()) {
      if (!isSkipped(connection) && connection.write(message)) count++
    }
    return count
  }

  /** The connections that a control is for: those bound at or before its lookup, never younger ones. */
  select(to: Recipients): Set<ClientConnection> {
    const found = new Set<ClientConnection>()
    switch (to.type) {
      case 'users':
        for (const { uid, stamp } of to.users) {
          // Invariant R12: whoever came later was not there when the control was given.
          for (const connection of this.ofUser(uid)) if (connection.uidStamp <= stamp) found.add(connection)
        }
        return found
      case 'groups':
        for (const { group, stamp } of to.groups) {
          for (const connection of this.ofGroup(group)) {
            if ((connection.groupStamps.get(group) ?? UNSTAMPED) <= stamp) found.add(connection)
          }
        }
        return found
      case 'connections':
        for (const id of to.connections) {
          const connection = this.#byId.get(id)
          if (connection !== undefined) found.add(connection)
        }
        return found
      case 'all':
        return new Set(this)
      default:
        throw to satisfies never
    }
  }
}

const NONE: ReadonlySet<ClientConnection> = new Set()
const NONE_CLOSED: readonly ConnectionId[] = Object.freeze([])
const NO_USERS: readonly UserRef[] = Object.freeze([])

function list<Key>(index: Map<Key, Set<ClientConnection>>, key: Key, connection: ClientConnection): void {
  const connections = index.get(key)
  if (connections === undefined) index.set(key, new Set([connection]))
  else connections.add(connection)
}

function unlist<Key>(index: Map<Key, Set<ClientConnection>>, key: Key, connection: ClientConnection): void {
  const connections = index.get(key)
  connections?.delete(connection)
  if (connections?.size === 0) index.delete(key)
}
