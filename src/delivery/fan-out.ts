import type { ClientConnection } from '../connection/client-connection.ts'
import type { GroupRef, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Uid } from '../envelope/ids.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import type { Except } from '../envelope/target.ts'
import type { Handover } from '../outbound/handover.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import type { Deliveries } from './deliveries.ts'
import type { Hub } from './hub.ts'
import { ageOf, agesOf, byGroup, byUser, FRESH, OLDER, type RefIndex, YOUNGER } from './ref-index.ts'

/** The outcome of a push on this node: how many connections got it, and to which users it must be forwarded. */
export interface Delivery {
  readonly deliveredCount: number
  /** Users who are not on this node, or no longer: for them the push is forwarded, or parked. */
  readonly gone: readonly UserRef[] | undefined
  /** Users who are here, but one of whose connections has just closed: it may have reconnected on another node. */
  readonly partlyGone: readonly UserRef[] | undefined
}

/** Hands pushes to the connections on this node that they are for. */
export class FanOut {
  readonly #hub: Hub
  readonly #deliveries: Deliveries
  readonly #users: RefIndex<UserRef>
  readonly #groups: RefIndex<GroupRef>

  constructor(hub: Hub) {
    this.#hub = hub
    this.#deliveries = hub.deliveries
    this.#users = byUser(hub)
    this.#groups = byGroup(hub)
  }

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
  #deliverTo<Ref extends GroupRef | UserRef>(
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
      if (goingCount === this.#hub.ofUser(user.uid).size) (gone ??= []).push(user)
      else if (!push.resent && (goingCount > 0 || this.#hub.hasClosedSince(user))) (partlyGone ??= []).push(user)
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
    if (!push.resent) for (const user of this.#hub.departedFrom(groups, push.except)) found.set(user.uid, user)
    return found.size === 0 ? undefined : [...found.values()]
  }

  /** Connections have no stamps. Receivers are remembered only if the push may come again: its caller gave its id. */
  #deliverToConnections(push: PushEnvelope, message: OutboundMessage, ids: readonly ConnectionId[]): number {
    const isExcepted = exceptionOf(push.except)
    const receivers: ConnectionId[] = []
    let count = 0
    for (const id of ids) {
      const connection = this.#hub.get(id)
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
    this.#hub.advanceTo(offset)
    const isExcepted = exceptionOf(push.except)
    const isKnown = push.named === true && this.#deliveries.knows(push)
    const count = this.#hub.writeToAll(
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
    const count = this.#hub.writeToAll(message, (connection) => {
      if (isExcepted(connection) || connection.lastBroadcast < offset || this.#deliveries.has(push, connection))
        return true
      receivers.push(connection.id)
      return false
    })
    this.#deliveries.addSome(push, receivers)
    return count
  }
}

const NOBODY_AWAY = { gone: undefined, partlyGone: undefined }
const NOBODY_GOING: readonly never[] = Object.freeze([])

const isNobody = (): boolean => false

/** Uses sets, because there may be thousands of exceptions and thousands of receivers. */
function exceptionOf(except: Except | undefined): (connection: ClientConnection) => boolean {
  if (except === undefined) return isNobody
  const [uids, connections] = [new Set(except.uids), new Set(except.connections)]
  return ({ id, uid }) => (uid !== undefined && uids.has(uid)) || connections.has(id)
}
