import type { Connection } from '../api.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { ConnectionRegistrar } from '../connection/connections.ts'
import type { Hub } from '../delivery/hub.ts'
import { connectionId, type ConnectionId, hashOf, PARTITION_COUNT, partitionOf, type Uid } from '../envelope/ids.ts'
import { parseGroup, parseUid } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import type { Events } from '../events.ts'
import { withDeadline } from '../lib/deadline.ts'
import { ownText } from '../lib/own-text.ts'
import type { Bindings } from './bindings.ts'
import type { Membership } from './membership.ts'

/** ms within which callers that wait for the same write share one deadline, and so one timer. */
const SHARED_DEADLINE = 20

interface RegistrarSettings {
  readonly maxGroupsPerConnection: number
  readonly maxConnectionsPerUid: number
  /** ms that a change may wait for the store. */
  readonly storeWait: number
}

/** Binds connections to users and groups, in the hub and in State, and emits the events. */
export class Registrar implements ConnectionRegistrar {
  readonly #hub: Hub
  readonly #bindings: Bindings
  readonly #membership: Membership
  readonly #events: Events
  readonly #settings: RegistrarSettings
  #sequence = 0
  #waiting: { readonly done: Promise<void>; readonly since: number; readonly inTime: Promise<void> } | undefined

  constructor(
    { hub, bindings, membership, events }: { hub: Hub; bindings: Bindings; membership: Membership; events: Events },
    settings: RegistrarSettings,
  ) {
    this.#hub = hub
    this.#bindings = bindings
    this.#membership = membership
    this.#events = events
    this.#settings = settings
  }

  /** The id of a new connection. It lies in the partition of its user, so that both are written together. */
  newConnectionId(uid: string | undefined): ConnectionId {
    const sequence = ++this.#sequence
    const partition = uid === undefined ? hashOf(String(sequence)) % PARTITION_COUNT : partitionOf(uid)
    return connectionId(this.#membership.process, partition, sequence)
  }

  /** Resolves once pushes to the user and groups reach the connection. If that cannot be stored, nothing remains. */
  async moveIn(connection: ClientConnection, uid: string | undefined, groups: Iterable<string>): Promise<void> {
    const user = uid === undefined ? undefined : ownText(parseUid(uid))
    const joined = [...groups].map((group) => ownText(parseGroup(group)))
    if (user !== undefined) this.#checkRoomFor(user)
    if (new Set(joined).size > this.#settings.maxGroupsPerConnection)
      throw tooManyGroups(this.#settings.maxGroupsPerConnection)
    this.#hub.add(connection)
    if (user !== undefined) this.#hub.setUid(connection, user)
    for (const group of joined) this.#hub.join(connection, group)
    this.#membership.countChanged()
    try {
      await this.#stored(this.#bindings.touch(connection, user === undefined ? [] : [user], joined))
    } catch (error) {
      this.moveOut(connection)
      throw error
    }
    if (user !== undefined) this.#emit('register', connection, user)
  }

  /** Called when a connection has closed: no push reaches it any more. State is told as soon as it can be. */
  moveOut(connection: ClientConnection): void {
    if (this.#hub.get(connection.id) === undefined) return
    const { uid } = connection
    const groups = [...connection.groupStamps.keys()]
    this.#hub.remove(connection)
    this.#membership.countChanged()
    // Retried until it is stored. If this node closes first, its takeover removes the connection.
    this.#bindings.touch(connection, uid === undefined ? [] : [uid], groups).catch(() => {})
    if (uid !== undefined) this.#emit('logout', connection, uid)
  }

  async register(given: Connection, uid: Uid): Promise<void> {
    if (given.uid === uid) return
    const connection = this.#find(given)
    const before = connection.uid
    this.#checkRoomFor(uid)
    await this.#change(connection, uid, before === undefined ? [uid] : [uid, before])
    this.#find(connection)
    if (before !== undefined) this.#emit('logout', connection, before)
    this.#emit('register', connection, uid)
  }

  async logout({ id }: Connection): Promise<void> {
    const connection = this.#hub.get(id as ConnectionId)
    const before = connection?.uid
    if (connection === undefined || before === undefined) return
    await this.#change(connection, undefined, [before])
    this.#emit('logout', connection, before)
  }

  async #change(connection: ClientConnection, uid: Uid | undefined, touched: readonly Uid[]): Promise<void> {
    this.#hub.setUid(connection, uid)
    // The members of a group are listed with their uids, so its groups are written as well.
    await this.#stored(this.#bindings.touch(connection, touched, connection.groupStamps.keys()))
  }

  #stored(done: Promise<void>): Promise<void> {
    const now = performance.now()
    if (this.#waiting?.done !== done || now - this.#waiting.since > SHARED_DEADLINE) {
      this.#waiting = { done, since: now, inTime: withDeadline(done, this.#settings.storeWait, storeAway) }
    }
    return this.#waiting.inTime
  }

  #find({ id }: Connection): ClientConnection {
    const connection = this.#hub.get(id as ConnectionId)
    if (connection !== undefined) return connection
    throw new FlotillaError('FLT_CLOSED', `connection ${id} has closed: nothing can be bound to it`)
  }

  #checkRoomFor(uid: Uid): void {
    const { maxConnectionsPerUid } = this.#settings
    // Invariant R16: all connections of a user on one node are one value in the store.
    if (this.#hub.ofUser(uid).size < maxConnectionsPerUid) return
    const message = `this user has ${maxConnectionsPerUid} connections on this node: close one first (maxConnectionsPerUid)`
    throw new FlotillaError('FLT_TOO_MANY', message)
  }

  #emit(event: 'register' | 'logout', connection: ClientConnection, uid: Uid): void {
    if (this.#events.has(event))
      this.#events.emit(event, { node: this.#membership.node, connection: connection.id, uid })
  }
}

export function tooManyGroups(max: number): FlotillaError {
  const message = `a connection may be in ${max} groups: leave one first (maxGroupsPerConnection)`
  return new FlotillaError('FLT_TOO_MANY', message)
}

const storeAway = (): FlotillaError =>
  new FlotillaError('FLT_STORE_AWAY', 'the store did not take the binding in time: try again')
