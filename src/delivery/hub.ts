import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { Recipients, GroupRef, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import type { Except } from '../envelope/target.ts'
import type { Handover } from '../outbound/handover.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import { Deliveries } from './deliveries.ts'
import { Departures } from './departures.ts'

/** The outcome of a push on this node: how many connections got it, and to which users it must be forwarded. */
export interface Delivery {
  readonly deliveredCount: number
  /** Users who are not on this node, or no longer: for them the push is forwarded, or parked. */
  readonly gone: readonly UserRef[] | undefined
  /** Users who are here, but one of whose connections has just closed: it may have reconnected on another node. */
  readonly partlyGone: readonly UserRef[] | undefined
}

/** The index of the connections on this node. It finds those of a user or group, and hands them what is pushed. */
export class Hub implements Iterable<ClientConnection> {
  readonly #byId = new Map<ConnectionId, ClientConnection>()
  readonly #byUid = new Map<Uid, Set<ClientConnection>>()
  readonly #byGroup = new Map<Group, Set<ClientConnection>>()
  readonly #deliveries: Deliveries
  readonly #departedUsers = new Departures<Uid>()
  readonly #departedMembers = new Departures()
  /** The offset of the newest broadcast that this node has read. */
  #lastBroadcast = 0
  readonly #users = byUser(this)
  readonly #groups = byGroup(this)

  constructor(deliveries = new Deliveries()) {
    this.#deliveries = deliveries
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
    this.#deliveries.came(connection)
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
      this.#deliveries.unbound(connection, 'uid', before)
    }
    connection.setUid(uid)
    if (uid !== undefined) {
      list(this.#byUid, uid, connection)
      this.#deliveries.bound(connection, 'uid', uid)
    }
  }

  join(connection: ClientConnection, group: Group): void {
    if (connection.groupStamps.has(group)) return
    connection.setGroupStamp(group, UNSTAMPED)
    list(this.#byGroup, group, connection)
    this.#deliveries.bound(connection, 'group', group)
  }

  leave(connection: ClientConnection, group: Group): void {
    if (!connection.groupStamps.has(group)) return
    connection.setGroupStamp(group, undefined)
    unlist(this.#byGroup, group, connection)
    this.#deliveries.unbound(connection, 'group', group)
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

  /** Called with each heartbeat: frees what is no longer needed. */
  forgetOld(): void {
    this.#deliveries.forgetOld()
  }

  /** Deliveries that were forgotten early: a copy of the same push might still have arrived. */
  get forgottenDeliveryCount(): number {
    return this.#deliveries.forgottenCount
  }

  // ---- what reaches the connections

  /**
   * Hands a push to its recipients. A first copy is for all their connections. A re-sent copy is only for connections
   * that were bound after the push's first lookup, because the others have had the first copy.
   *
   * @param handover what the push is part of, if somebody waits until connections have taken it
   */
  deliver(push: PushEnvelope, handover?: Handover): Delivery {
    const { to } = push
    const message = OutboundMessage.ofPush(push, handover)
    switch (to.type) {
      case 'users': {
        const { deliveredCount, going } = this.#deliverTo(push, message, to.users, this.#users)
        return { deliveredCount, ...this.#usersToFollow(push, to.users, going) }
      }
      case 'groups': {
        const { deliveredCount, going } = this.#deliverTo(push, message, to.groups, this.#groups)
        return { deliveredCount, gone: this.#membersToFollow(push, to.groups, going), partlyGone: undefined }
      }
      case 'connections':
        return { deliveredCount: this.#deliverToConnections(push, message, to.connections), ...NOBODY_AWAY }
      case 'all':
        return { deliveredCount: this.#deliverToAll(push, message, handover?.offset ?? 0), ...NOBODY_AWAY }
      default:
        throw to satisfies never
    }
  }

  /** `going` lists the recipients that are just closing, and so did not get the push. */
  #deliverTo<Ref extends Stamped>(
    push: PushEnvelope,
    message: OutboundMessage,
    refs: readonly Ref[],
    index: RefIndex<Ref>,
  ): { deliveredCount: number; going: readonly (readonly [ClientConnection, Ref])[] } {
    // A connection that is in two of the target's groups gets the push once.
    const reached = refs.length > 1 ? new Set<ClientConnection>() : undefined
    const ages = index.overlaps && refs.length > 1 ? agesOf(refs, index) : undefined
    const isExcepted = exceptionOf(push.except)
    const isKnown = this.#deliveries.knows(push)
    const receivers: ConnectionId[] = []
    let isRemembered = push.named === true
    let count = 0
    let going: (readonly [ClientConnection, Ref])[] | undefined
    let deliveredCount = 0
    for (const ref of refs) {
      for (const connection of index.find(ref)) {
        count++
        if (reached?.has(connection) === true || isExcepted(connection)) continue
        reached?.add(connection)
        const age = ages?.get(connection) ?? ageOf(connection, ref, index)
        // Invariant R5: otherwise whoever stayed would get it again.
        // A connection that was bound to any of the refs before the lookup has had the first copy.
        if ((age & OLDER) !== 0 && push.resent) continue
        // This copy stands for a broadcast that the connection has had, or will get.
        if (push.broadcast !== undefined && connection.lastBroadcast < push.broadcast) continue
        if ((age & (YOUNGER | FRESH)) !== 0) isRemembered = true
        if (isKnown && isRemembered && this.#deliveries.has(push, connection)) continue
        if (push.resent) receivers.push(connection.id)
        if (connection.write(message)) deliveredCount++
        else if (connection.isGoing) (going ??= []).push([connection, ref])
      }
    }
    if (push.resent) this.#deliveries.addSome(push, receivers)
    else if (isRemembered && count > (going?.length ?? 0)) this.#deliveries.addAll(push)
    return { deliveredCount, going: going ?? NOBODY_GOING }
  }

  #usersToFollow(
    push: PushEnvelope,
    users: readonly UserRef[],
    going: readonly (readonly [ClientConnection, UserRef])[],
  ): Pick<Delivery, 'gone' | 'partlyGone'> {
    const goingCounts = new Map<UserRef, number>()
    for (const [, user] of going) goingCounts.set(user, (goingCounts.get(user) ?? 0) + 1)
    let gone: UserRef[] | undefined
    let partlyGone: UserRef[] | undefined
    for (const user of users) {
      const goingCount = goingCounts.get(user) ?? 0
      if (goingCount === this.ofUser(user.uid).size) (gone ??= []).push(user)
      else if (!push.resent && (goingCount > 0 || this.hasClosedSince(user))) (partlyGone ??= []).push(user)
    }
    return { gone, partlyGone }
  }

  /** Users who left the groups after the lookup, or are just closing. A member without a user cannot be found again. */
  #membersToFollow(
    push: PushEnvelope,
    groups: readonly GroupRef[],
    going: readonly (readonly [ClientConnection, GroupRef])[],
  ): readonly UserRef[] | undefined {
    const found = new Map<Uid, UserRef>()
    for (const [{ uid }, { stamp }] of going) {
      if (uid !== undefined) found.set(uid, { uid, stamp: acrossPartitions(stamp) })
    }
    // A re-sent copy goes to every node that hosts the groups; the first copy was already forwarded to those who left.
    if (!push.resent) for (const user of this.departedFrom(groups, push.except)) found.set(user.uid, user)
    return found.size === 0 ? undefined : [...found.values()]
  }

  /** Connections have no stamps. Receivers are remembered only if the push may come again: its caller gave its id. */
  #deliverToConnections(push: PushEnvelope, message: OutboundMessage, ids: readonly ConnectionId[]): number {
    const isExcepted = exceptionOf(push.except)
    const receivers: ConnectionId[] = []
    let count = 0
    for (const id of ids) {
      const connection = this.#byId.get(id)
      if (connection === undefined || isExcepted(connection) || this.#isRepeated(push, connection)) continue
      receivers.push(id)
      if (connection.write(message)) count++
    }
    if (push.named === true) this.#deliveries.addSome(push, receivers)
    return count
  }

  /** A push that failed may have been stored all the same. If its caller sends it again, nobody may get it twice. */
  #isRepeated(push: PushEnvelope, connection: ClientConnection): boolean {
    return push.named === true && this.#deliveries.has(push, connection)
  }

  #deliverToAll(push: PushEnvelope, message: OutboundMessage, offset: number): number {
    if (push.resent) return this.#replay(push, message, offset)
    this.#advanceTo(offset)
    const isExcepted = exceptionOf(push.except)
    const isKnown = push.named === true && this.#deliveries.knows(push)
    const count = this.writeToAll(
      message,
      (connection) => isExcepted(connection) || (isKnown && this.#deliveries.has(push, connection)),
    )
    if (push.named === true) this.#deliveries.addAll(push)
    return count
  }

  /** A connection that came after this node read the broadcast may come from the node that died without reading it. */
  #replay(push: PushEnvelope, message: OutboundMessage, offset: number): number {
    const isExcepted = exceptionOf(push.except)
    const receivers: ConnectionId[] = []
    const count = this.writeToAll(message, (connection) => {
      if (isExcepted(connection) || connection.lastBroadcast < offset || this.#deliveries.has(push, connection))
        return true
      receivers.push(connection.id)
      return false
    })
    this.#deliveries.addSome(push, receivers)
    return count
  }

  // Invariant A4: offsets tell who was here already, even if they begin anew.
  /** A store that was lost numbers broadcasts from the start again: everybody here gets all that come from now on. */
  #advanceTo(offset: number): void {
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

interface Stamped {
  readonly stamp: number
}

/** How to find the connections of a user or group, and since when they are bound to it. */
interface RefIndex<Ref> {
  readonly find: (ref: Ref) => ReadonlySet<ClientConnection>
  /** Since when the connection is bound to the ref; `undefined` if it is not. */
  readonly stampOf: (connection: ClientConnection, ref: Ref) => number | undefined
  /** Whether a re-sent copy that is for the connection's user would reach the connection as well. */
  readonly isFresh: (connection: ClientConnection, ref: Ref) => boolean
  /** Whether several refs may find the same connection. */
  readonly overlaps: boolean
}

const byUser = (hub: Hub): RefIndex<UserRef> => ({
  find: ({ uid }) => hub.ofUser(uid),
  stampOf: (connection, { uid }) => (connection.uid === uid ? connection.uidStamp : undefined),
  isFresh: () => false,
  overlaps: false,
})

const byGroup = (hub: Hub): RefIndex<GroupRef> => ({
  find: ({ group }) => hub.ofGroup(group),
  stampOf: (connection, { group }) => connection.groupStamps.get(group),
  isFresh: ({ uid, uidStamp }, { stamp }) => uid !== undefined && uidStamp > acrossPartitions(stamp),
  overlaps: true,
})

const NONE: ReadonlySet<ClientConnection> = new Set()
const NOBODY_AWAY = { gone: undefined, partlyGone: undefined }
const NONE_CLOSED: readonly ConnectionId[] = Object.freeze([])
const NO_USERS: readonly UserRef[] = Object.freeze([])
const NOBODY_GOING: readonly never[] = Object.freeze([])

// Bits, because a connection may be in several of the target's groups.
const OLDER = 1
const YOUNGER = 2
const FRESH = 4

/** Whether a connection was bound to a ref before the ref's lookup, or after. */
function ageOf<Ref extends Stamped>(connection: ClientConnection, ref: Ref, index: RefIndex<Ref>): number {
  const stamp = index.stampOf(connection, ref)
  if (stamp === undefined) return 0
  if (stamp > ref.stamp) return YOUNGER
  return index.isFresh(connection, ref) ? OLDER | FRESH : OLDER
}

/** The same for all refs together. To check each connection against each ref would take a second for 10,000 of both. */
function agesOf<Ref extends Stamped>(refs: readonly Ref[], index: RefIndex<Ref>): Map<ClientConnection, number> {
  const ages = new Map<ClientConnection, number>()
  for (const ref of refs) {
    for (const connection of index.find(ref)) {
      ages.set(connection, (ages.get(connection) ?? 0) | ageOf(connection, ref, index))
    }
  }
  return ages
}

const isNobody = (): boolean => false

/** Uses sets, because there may be thousands of exceptions and thousands of receivers. */
function exceptionOf(except: Except | undefined): (connection: ClientConnection) => boolean {
  if (except === undefined) return isNobody
  const [uids, connections] = [new Set(except.uids), new Set(except.connections)]
  return ({ id, uid }) => (uid !== undefined && uids.has(uid)) || connections.has(id)
}

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
