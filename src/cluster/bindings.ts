import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { HeldUsers } from '../delivery/held-users.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Change, ConnectionRecord, Routes } from '../drivers/routes.ts'
import type { ConnectionId, Group, NodeId, Uid } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import type { Logger } from '../logger.ts'

/** Changes in one call to State: a node that comes back with all its users must leave room for other callers. */
const MAX_CHANGES = 1_000
const RETRY_PAUSE = 100
/** ms between two writes while many connections come: one write for several costs a fraction of a write for each. */
const CROWD_PAUSE = 2

/** The node that `Bindings` writes for. Its id may change, because an evicted node comes back under a new one. */
export interface Incarnation {
  readonly node: NodeId
  /** Called if the store refuses a write: the node has lost its lease and joins again. Resolves once it has joined. */
  rejoin(): Promise<void>
}

/** A connection that has joined or left a group. */
interface GroupChange {
  readonly group: Group
  readonly connection: ClientConnection
}

interface ParkedHooks {
  /** Holds users until the store has said whether pushes are parked for them. */
  readonly heldUsers: HeldUsers
  /** Called for each user who was bound here, if pushes are parked for that user. */
  readonly onParked: (uid: Uid) => void
}

/**
 * Keeps State in step with the hub. Code that changes the hub reports which users, connections and groups have changed;
 * the write then says how they stand in the hub at that moment, so a write that is late or comes twice is still right.
 * One write is under way at a time, and changes made meanwhile go together in the next. If several callers waited for
 * the last write, the next one starts two milliseconds after it at the earliest, so that changes gather; a lone change
 * is written at the end of the current turn.
 */
export class Bindings {
  readonly #state: Routes
  readonly #hub: Hub
  readonly #incarnation: Incarnation
  readonly #logger: Logger
  readonly #parked: ParkedHooks
  #users = new Set<Uid>()
  #connections = new Set<ConnectionId>()
  #groupChanges = new Map<string, GroupChange>()
  #round = new Round()
  #isFlushing = false
  /** The start of the last write that had more than one waiter. */
  #crowdedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(state: Routes, hub: Hub, incarnation: Incarnation, logger: Logger, parked: ParkedHooks) {
    this.#parked = parked
    this.#state = state
    this.#hub = hub
    this.#incarnation = incarnation
    this.#logger = logger
  }

  /** Called after a connection has changed. Resolves once State knows its user and groups, or that it has closed. */
  touch(connection: ClientConnection, uids: readonly Uid[], groups: Iterable<Group>): Promise<void> {
    if (this.#closed) return Promise.reject(closed())
    this.#connections.add(connection.id)
    for (const uid of uids) this.#users.add(uid)
    return this.touchGroups(connection, groups)
  }

  /** Like `touch`, if nothing but groups of the connection has changed. */
  touchGroups(connection: ClientConnection, groups: Iterable<Group>): Promise<void> {
    if (this.#closed) return Promise.reject(closed())
    for (const group of groups) this.#groupChanges.set(`${connection.id} ${group}`, { group, connection })
    if (this.#isClean) return Promise.resolve()
    this.#schedule()
    return this.#round.join()
  }

  /**
   * Called as soon as the node has a new id: resets all stamps, so that parked messages count as new. Under the new id
   * every connection will get a stamp younger than anything sent before; until then it must count as younger already.
   */
  forgetStamps(): void {
    for (const connection of this.#hub) {
      // Invariant R8: a new incarnation has stamped nobody yet, so all count as younger than every lookup.
      connection.stampUid(UNSTAMPED)
      for (const group of connection.groupStamps.keys()) connection.setGroupStamp(group, UNSTAMPED)
    }
  }

  /** Writes these connections again as they are. Resolves once they are stored, or this node has closed. */
  async repeat(connections: Iterable<ClientConnection>): Promise<void> {
    let stored = Promise.resolve()
    for (const connection of connections) {
      const uids = connection.uid === undefined ? [] : [connection.uid]
      // All of them go into one round.
      stored = this.touch(connection, uids, connection.groupStamps.keys())
      stored.catch(() => {})
    }
    await stored.catch(() => {})
  }

  close(): void {
    this.#closed = true
    this.#round.reject(closed())
  }

  get #isClean(): boolean {
    return this.#users.size + this.#connections.size + this.#groupChanges.size === 0
  }

  #schedule(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    const pause = this.#crowdedAt + CROWD_PAUSE - performance.now()
    if (pause > 0) setTimeout(this.#flush, pause)
    else setImmediate(this.#flush)
  }

  readonly #flush = async (): Promise<void> => {
    if (!this.#closed && !this.#isClean) await this.#writeRound()
    this.#isFlushing = false
    if (!this.#closed && !this.#isClean) this.#schedule()
  }

  async #writeRound(): Promise<void> {
    const round = this.#round
    const batch = { users: this.#users, connections: this.#connections, groupChanges: this.#groupChanges }
    this.#users = new Set()
    this.#connections = new Set()
    this.#groupChanges = new Map()
    this.#round = new Round()
    if (round.size > 1) this.#crowdedAt = performance.now()
    // Invariant R2: a write says how things are now, so one that comes late or twice is still right.
    if (await this.#write(this.#describe(batch))) round.resolve()
    else await this.#putBack(batch, round)
  }

  async #write(description: Description): Promise<boolean> {
    try {
      if (await this.#apply(description)) return true
      await this.#incarnation.rejoin()
    } catch (error) {
      this.#logger.warn({ error }, 'bindings could not be stored: trying again')
    }
    return false
  }

  // Invariant P5: pushes from now on come after those that may be parked.
  /** False if this node has lost its lease. */
  async #apply({ changes, onStamped, newcomers }: Description): Promise<boolean> {
    const { heldUsers, onParked } = this.#parked
    for (const uid of newcomers) heldUsers.hold(uid)
    try {
      for (let start = 0; start < changes.length; start += MAX_CHANGES) {
        const part = changes.slice(start, start + MAX_CHANGES)
        const applied = await this.#state.apply(this.#incarnation.node, part)
        if (applied.type === 'fenced') return false
        for (const [index, stamp] of applied.stamps.entries()) onStamped[start + index]?.(stamp)
        for (const uid of applied.parked) onParked(uid)
      }
      return true
    } finally {
      for (const uid of newcomers) heldUsers.release(uid)
    }
  }

  /** Puts a batch that could not be stored into the next round, and lets its waiters wait for that. */
  async #putBack(batch: Batch, round: Round): Promise<void> {
    for (const uid of batch.users) this.#users.add(uid)
    for (const connection of batch.connections) this.#connections.add(connection)
    for (const [key, change] of batch.groupChanges) this.#groupChanges.set(key, change)
    this.#round.done.then(round.resolve, round.reject)
    if (this.#closed) round.reject(closed())
    await sleep(RETRY_PAUSE)
  }

  /** Lists users and members first, because their changes are the ones that get stamps. */
  #describe({ users, connections, groupChanges }: Batch): Description {
    const changes: Change[] = []
    const onStamped: ((stamp: number) => void)[] = []
    const newcomers: Uid[] = []
    for (const uid of users) {
      const here = [...this.#hub.ofUser(uid)]
      if (here.some(({ uidStamp }) => uidStamp === UNSTAMPED)) newcomers.push(uid)
      const departed = this.#hub.unstampedUserDepartures(uid)
      changes.push({ type: 'user', uid, connections: here.map(recordOf) })
      onStamped.push((stamp) => {
        stampUser(uid, here, stamp)
        this.#hub.stampUserDepartures(uid, departed, stamp)
      })
    }
    for (const { group, connection } of groupChanges.values()) {
      const present = this.#hub.ofGroup(group).has(connection)
      changes.push({ type: 'member', group, connection: memberOf(connection), present })
      onStamped.push((stamp) => {
        if (present) stampMember(group, connection, stamp)
        else this.#hub.stampDeparture(group, connection.id, stamp)
      })
    }
    for (const connection of connections) {
      changes.push({ type: 'connection', connection, present: this.#hub.get(connection) !== undefined })
    }
    return { changes, onStamped, newcomers }
  }
}

interface Batch {
  readonly users: ReadonlySet<Uid>
  readonly connections: ReadonlySet<ConnectionId>
  readonly groupChanges: ReadonlyMap<string, GroupChange>
}

interface Description {
  readonly changes: readonly Change[]
  /** The callback at each index takes the stamp of the change at the same index. Connections have none. */
  readonly onStamped: readonly ((stamp: number) => void)[]
  /** Users who have a connection that is not stamped yet. */
  readonly newcomers: readonly Uid[]
}

/** The callers that wait for one write. */
class Round {
  readonly done: Promise<void>
  /** How many callers wait. */
  size = 0
  resolve!: () => void
  reject!: (error: Error) => void

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // If nobody waits when the node closes, the rejection must not count as unhandled.
    this.done.catch(() => {})
  }

  join(): Promise<void> {
    this.size++
    return this.done
  }
}

function stampUser(uid: Uid, connections: readonly ClientConnection[], stamp: number): void {
  for (const connection of connections) {
    if (connection.uid === uid && connection.uidStamp === UNSTAMPED) connection.stampUid(stamp)
  }
}

function stampMember(group: Group, connection: ClientConnection, stamp: number): void {
  if (connection.groupStamps.get(group) === UNSTAMPED) connection.setGroupStamp(group, stamp)
}

function closed(): FlotillaError {
  return new FlotillaError('FLT_CLOSED', 'this node has been closed: nothing can be bound to it any more')
}

function recordOf({ id, uid, meta }: ClientConnection): ConnectionRecord {
  return { connection: id, uid, path: meta.path, ip: meta.ip, since: meta.openedAt }
}

/**
 * A member is stored with the path of its module. The path that the client chose may be long: it is stored once, with
 * the user, and not with each of perhaps a thousand groups.
 */
function memberOf(connection: ClientConnection): ConnectionRecord {
  return { ...recordOf(connection), path: connection.meta.pattern }
}
