import type { GroupRef, UserRef } from '../protocol/envelope.ts'
import type { ConnectionId, Group, Uid } from '../protocol/ids.ts'
import { type Connection, UNSTAMPED } from './connection.ts'

/** ms; a push that was on its way when somebody left is hardly ever on its way for longer. */
const REMEMBER = 10_000
const MAX_REMEMBERED = 100_000

interface Departure {
  readonly uid: Uid
  readonly connection: ConnectionId
  readonly at: number
  /** Lookups with a smaller stamp found the group with this member. */
  stamp: number
}

/**
 * Who was in which groups here until their connections closed. A push to a group that was located before is theirs all the
 * same: not the group's any more, which they may be in again only later.
 */
export class Departed {
  /** Of each group, in the order in which they left. */
  readonly #departures = new Map<Group, Departure[]>()
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  add(group: Group, { id, uid }: Connection): void {
    if (uid === undefined || this.#count >= MAX_REMEMBERED) return
    const departure = { uid, connection: id, at: performance.now(), stamp: UNSTAMPED }
    const departures = this.#departures.get(group)
    if (departures === undefined) this.#departures.set(group, [departure])
    else departures.push(departure)
    this.#count++
    this.#forgetOld()
  }

  /** From this stamp on lookups know that it has left. */
  stamp(group: Group, connection: ConnectionId, stamp: number): void {
    const departure = this.#departures.get(group)?.findLast((each) => each.connection === connection)
    if (departure !== undefined) departure.stamp = stamp
  }

  /** Those who have left since a lookup. */
  since({ group, stamp }: GroupRef): readonly UserRef[] {
    const departures = this.#departures.get(group)
    if (departures === undefined) return NOBODY
    const found: UserRef[] = []
    for (let index = departures.length - 1; index >= 0; index--) {
      const departure = departures[index]!
      // They left, and were stamped, in order.
      if (departure.stamp <= stamp) break
      found.push({ uid: departure.uid, stamp })
    }
    return found
  }

  /** Groups were last left in the order of the map's keys, or nearly so: those at its front go first. */
  #forgetOld(): void {
    const oldest = performance.now() - REMEMBER
    for (const [group, departures] of this.#departures) {
      const index = departures.findIndex(({ at }) => at >= oldest)
      const old = index === -1 ? departures.length : index
      if (old === 0) return
      this.#count -= old
      if (old === departures.length) this.#departures.delete(group)
      else departures.splice(0, old)
    }
  }
}

const NOBODY: readonly UserRef[] = Object.freeze([])
