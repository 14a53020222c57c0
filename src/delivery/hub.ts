import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { Recipients, GroupRef, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import type { Except } from '../envelope/target.ts'
import type { Handover } from '../outbound/handover.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import { Deliveries } from './deliveries.ts'
import { Departures } from './departures.ts'

/** What became of a push here: how many connections got it, and whom it must be sent after. */
export interface Delivery {
  readonly deliveredCount: number
  /** Users who are not here, or not any more: for them it is sent on, or parked. */
  readonly gone: readonly UserRef[] | undefined
  /** Users who are here, but whom another connection has just left: it may be elsewhere by now. */
  readonly partlyGone: readonly UserRef[] | undefined
}

/** Who is here: finds the connections of a user or group by index, and hands them what is pushed. */
export class Hub implements Iterable<ClientConnection> {
  readonly #byId = new Map<ConnectionId, ClientConnection>()
  readonly #byUid = new Map<Uid, Set<ClientConnection>>()
  readonly #byGroup = new Map<Group, Set<ClientConnection>>()
  readonly #deliveries: Deliveries
  readonly #departedUsers = new Departures<Uid>()
  readonly #departedMembers = new Departures()
  /** The offset of the newest broadcast that came here. */
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

  /** Forgets a connection that went; what is on its way to it will be sent after it. */
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

  /** Lookups of a group know from this stamp on that a connection has left it. */
  stampDeparture(group: Group, connection: ConnectionId, stamp: number): void {
    this.#departedMembers.stamp(group, connection, stamp)
  }

  /** Connections of a user that have closed, and of which the store does not know that. */
  unstampedUserDepartures(uid: Uid): readonly ConnectionId[] {
    return this.#departedUsers.size === 0 ? NONE_CLOSED : this.#departedUsers.unstamped(uid)
  }

  /** Lookups of a user know from this stamp on that these have closed. */
  stampUserDepartures(uid: Uid, connections: readonly ConnectionId[], stamp: number): void {
    for (const connection of connections) this.#departedUsers.stamp(uid, connection, stamp)
  }

  /** Whether a connection of a user has closed since a lookup, so that a push may have been on its way to it. */
  hasClosedSince(user: UserRef): boolean {
    return this.#departedUsers.size > 0 && this.#departedUsers.since(user).length > 0
  }

  /** From now on no push comes that was located at this stamp or before. */
  forgetDeparted(upTo: number): void {
    this.#departedMembers.forgetUpTo(upTo)
    this.#departedUsers.forgetUpTo(upTo)
  }

  /** Members who have left and were forgotten while a push might still have come that was theirs. */
  get forgottenDepartureCount(): number {
    return this.#departedMembers.forgottenCount + this.#departedUsers.forgottenCount
  }

  /** Who was in some of the groups here when they were looked up, and no longer is. */
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

  /** The offset of the newest broadcast that came here, or that this node began behind. */
  get lastBroadcast(): number {
    return this.#lastBroadcast
  }

  /** Those up to this one did not come here: who connects from now on may have missed them elsewhere. */
  skipBroadcasts(offset: number): void {
    this.#lastBroadcast = Math.max(this.#lastBroadcast, offset)
  }

  /** Frees what is not needed any more. */
  forgetOld(): void {
    this.#deliveries.forgetOld()
  }

  /** Deliveries that were forgotten while the same push might still have come again. */
  get forgottenDeliveryCount(): number {
    return this.#deliveries.forgottenCount
  }

  // ---- what reaches them

  /**
   * Hands a push to those it is for. A first copy is for all of the target's connections; a re-sent one only for those
   * that were bound after the lookup it was first sent by, for the others have had the first copy.
   *
   * @param handover what it is part of, where somebody waits until it is taken
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

  /** Also tells which connections it was for are only just going, and so did not get it. */
  #deliverTo<Ref extends Stamped>(
    push: PushEnvelope,
    message: OutboundMessage,
    refs: readonly Ref[],
    index: RefIndex<Ref>,
  ): { deliveredCount: number; going: readonly (readonly [ClientConnection, Ref])[] } {
    // Somebody who is in two of the target's groups gets the push once.
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
        // Who was bound by any of the refs before the lookup has had the first copy.
        // Invariant R5: otherwise whoever stayed would get it again.
        if ((age & OLDER) !== 0 && push.resent) continue
        // It has had the broadcast that this is a copy of, or will have it.
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

  /** Who left the groups after the lookup, or is just going. Nobody knows whom to look for if no user was bound. */
  #membersToFollow(
    push: PushEnvelope,
    groups: readonly GroupRef[],
    going: readonly (readonly [ClientConnection, GroupRef])[],
  ): readonly UserRef[] | undefined {
    const found = new Map<Uid, UserRef>()
    for (const [{ uid }, { stamp }] of going) {
      if (uid !== undefined) found.set(uid, { uid, stamp: acrossPartitions(stamp) })
    }
    // A copy that is sent again comes to each host of the groups: those who left have had theirs by the first.
    if (!push.resent) for (const user of this.departedFrom(groups, push.except)) found.set(user.uid, user)
    return found.size === 0 ? undefined : [...found.values()]
  }

  /** What has no stamps is remembered only where it may come again: a push whose id was given by who pushed it. */
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

  /** A push that failed may have been stored all the same: sent again under its id, it must not reach anybody twice. */
  #isRepeated(push: PushEnvelope, connection: ClientConnection): boolean {
    return push.named === true && this.#deliveries.has(push, connection)
  }

  #deliverToAll(push: PushEnvelope, message: OutboundMessage, offset: number): number {
    if (push.resent) return this.#replay(push, message, offset)
    this.#cameTo(offset)
    const isExcepted = exceptionOf(push.except)
    const isKnown = push.named === true && this.#deliveries.knows(push)
    const count = this.writeToAll(
      message,
      (connection) => isExcepted(connection) || (isKnown && this.#deliveries.has(push, connection)),
    )
    if (push.named === true) this.#deliveries.addAll(push)
    return count
  }

  /** Who was not here yet when a broadcast came first may have been on the node that died with it. */
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

  /** A store that was lost counts anew: what comes from now on comes first here, so nobody here will have missed it. */
  #cameTo(offset: number): void {
    // Invariant A4: offsets tell who was here already, even if they begin anew.
    if (offset < this.#lastBroadcast) {
      for (const connection of this) connection.lastBroadcast = Math.min(connection.lastBroadcast, offset - 1)
    }
    this.#lastBroadcast = offset
  }

  /** Hands one message to everyone here but those who are skipped; says how many they were. */
  writeToAll(message: OutboundMessage, isSkipped: (connection: ClientConnection) => boolean): number {
    let count = 0
    for (const connection of this.#byId.values()) {
      if (!isSkipped(connection) && connection.write(message)) count++
    }
    return count
  }

  /** The connections that an order is for: those bound at or before its lookup, never a younger one. */
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

/** How the connections of a user, or of a group, are found, and since when they are. */
interface RefIndex<Ref> {
  readonly find: (ref: Ref) => ReadonlySet<ClientConnection>
  /** Since when; `undefined` where it is not. */
  readonly stampOf: (connection: ClientConnection, ref: Ref) => number | undefined
  /** Whether a copy for the connection's user, sent after a push to the ref, would reach the connection, too. */
  readonly isFresh: (connection: ClientConnection, ref: Ref) => boolean
  /** Whether one connection may be found by several refs. */
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

// Bits: a connection may be in several of the target's groups.
const OLDER = 1
const YOUNGER = 2
const FRESH = 4

/** Whether a connection was bound by a ref before its lookup, or after. */
function ageOf<Ref extends Stamped>(connection: ClientConnection, ref: Ref, index: RefIndex<Ref>): number {
  const stamp = index.stampOf(connection, ref)
  if (stamp === undefined) return 0
  if (stamp > ref.stamp) return YOUNGER
  return index.isFresh(connection, ref) ? OLDER | FRESH : OLDER
}

/** The same by any of the refs. Asking each connection for each ref would take a second for 10,000 of both. */
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

/** Sets, for both lists and receivers may be thousands. */
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
