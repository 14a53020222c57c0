import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { GroupRef, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import { Fifo } from '../lib/fifo.ts'

/** Some 100 bytes for each. */
const MAX_REMEMBERED = 500_000

interface Departure {
  readonly leavers: Leavers
  readonly uid: Uid
  readonly connection: ConnectionId
  /** Lookups with a smaller stamp still found this member. */
  stamp: number
  isForgotten: boolean
}

/** The departures from one group, or of one user. */
interface Leavers {
  readonly key: string
  readonly unstamped: Map<ConnectionId, Departure>
  /** In the order of their stamps. */
  readonly stamped: Fifo<Departure>
}

/**
 * The users who were in a group on this node until their connections closed. A push to the group that was looked up
 * before is still for them, although the group no longer leads to them. Keyed by user instead of group, it says which
 * connections of a user have closed since a lookup. A query costs as much as it finds.
 */
export class Departures<Key extends Group | Uid = Group> {
  readonly #limit: number
  readonly #leavers = new Map<string, Leavers>()
  /** In the order in which the connections closed. */
  readonly #departures = new Fifo<Departure>()
  #forgottenCount = 0

  /** @param limit how many departures are remembered: beyond it, the oldest are forgotten early */
  constructor(limit = MAX_REMEMBERED) {
    this.#limit = limit
  }

  /** How many departures are remembered. */
  get size(): number {
    return this.#departures.size
  }

  /** How many departures were forgotten early. */
  get forgottenCount(): number {
    return this.#forgottenCount
  }

  add(key: Key, { id, uid }: ClientConnection): void {
    if (uid === undefined) return
    if (this.size >= this.#limit) {
      this.#forgetFirst()
      this.#forgottenCount++
    }
    const leavers = this.#leavers.get(key) ?? { key, unstamped: new Map(), stamped: new Fifo() }
    const departure = { leavers, uid, connection: id, stamp: UNSTAMPED, isForgotten: false }
    this.#leavers.set(key, leavers)
    leavers.unstamped.set(id, departure)
    this.#departures.push(departure)
  }

  /** Connections whose departure the store has not stamped yet. */
  unstamped(key: Key): readonly ConnectionId[] {
    return [...(this.#leavers.get(key)?.unstamped.keys() ?? [])]
  }

  /** From this stamp on lookups know of the departure. */
  stamp(key: Key, connection: ConnectionId, stamp: number): void {
    const leavers = this.#leavers.get(key)
    const departure = leavers?.unstamped.get(connection)
    if (leavers === undefined || departure === undefined) return
    leavers.unstamped.delete(connection)
    // A store that was lost may give smaller stamps again.
    departure.stamp = Math.max(stamp, leavers.stamped.last?.stamp ?? stamp)
    leavers.stamped.push(departure)
  }

  /** The users who have left since a lookup, each with the stamp to forward the push by. */
  since(ref: Key extends Uid ? UserRef : GroupRef): readonly UserRef[] {
    const { stamp } = ref
    const theirs = 'uid' in ref ? stamp : acrossPartitions(stamp)
    const leavers = this.#leavers.get('uid' in ref ? ref.uid : ref.group)
    if (leavers === undefined) return NOBODY
    const found: UserRef[] = []
    for (const { uid } of leavers.unstamped.values()) found.push({ uid, stamp: theirs })
    for (let index = leavers.stamped.size - 1; index >= 0; index--) {
      const departure = leavers.stamped.at(index)!
      // Invariant R9: a lookup with that stamp knew of this leave already.
      if (departure.stamp <= stamp) break
      if (!departure.isForgotten) found.push({ uid: departure.uid, stamp: theirs })
    }
    return found
  }

  /** Forgets departures that no push can need any more, because none looked up at this stamp or before can arrive. */
  forgetUpTo(stamp: number): void {
    while ((this.#departures.first?.stamp ?? UNSTAMPED) <= stamp) this.#forgetFirst()
  }

  #forgetFirst(): void {
    const departure = this.#departures.shift()
    if (departure === undefined) return
    const { leavers, connection } = departure
    departure.isForgotten = true
    leavers.unstamped.delete(connection)
    while (leavers.stamped.first?.isForgotten === true) leavers.stamped.shift()
    if (leavers.unstamped.size + leavers.stamped.size === 0) this.#leavers.delete(leavers.key)
  }
}

const NOBODY: readonly UserRef[] = Object.freeze([])
