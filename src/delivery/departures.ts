import { type ClientConnection, UNSTAMPED } from '../connection/client-connection.ts'
import type { GroupRef, UserRef } from '../envelope/envelope.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import { Fifo } from '../lib/fifo.ts'

/** Some 100 bytes each. */
const MAX_REMEMBERED = 500_000

interface Departure {
  readonly leavers: Leavers
  readonly uid: Uid
  readonly connection: ConnectionId
  /** Lookups with a smaller stamp found the group with this member. */
  stamp: number
  isForgotten: boolean
}

/** Those who left one group. */
interface Leavers {
  readonly key: string
  readonly unstamped: Map<ConnectionId, Departure>
  /** In the order of their stamps. */
  readonly stamped: Fifo<Departure>
}

/**
 * Who was in which groups here until their connections closed. A push to a group that was located before is theirs all the
 * same: not the group's any more, which they may be in again only later. By users in place of groups, it says which of
 * them have closed a connection since a lookup. Whatever is asked of it costs as much as it finds.
 */
export class Departures<Key extends Group | Uid = Group> {
  readonly #limit: number
  readonly #leavers = new Map<string, Leavers>()
  /** In the order in which they left. */
  readonly #departures = new Fifo<Departure>()
  #forgottenCount = 0

  /** @param limit of departures that are remembered: beyond it, the oldest are forgotten early */
  constructor(limit = MAX_REMEMBERED) {
    this.#limit = limit
  }

  /** How many are remembered. */
  get size(): number {
    return this.#departures.size
  }

  /** How many were forgotten early. */
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

  /** Those whose departure the store has not stamped yet. */
  unstamped(key: Key): readonly ConnectionId[] {
    return [...(this.#leavers.get(key)?.unstamped.keys() ?? [])]
  }

  /** From this stamp on lookups know that it has left. */
  stamp(key: Key, connection: ConnectionId, stamp: number): void {
    const leavers = this.#leavers.get(key)
    const departure = leavers?.unstamped.get(connection)
    if (leavers === undefined || departure === undefined) return
    leavers.unstamped.delete(connection)
    // A store that was lost may count from less again.
    departure.stamp = Math.max(stamp, leavers.stamped.last?.stamp ?? stamp)
    leavers.stamped.push(departure)
  }

  /** Those who have left since a lookup, with a stamp for them. */
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

  /** No push comes any more that was located at this stamp or before. */
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
