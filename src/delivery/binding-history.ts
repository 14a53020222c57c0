import type { ClientConnection } from '../connection/client-connection.ts'
import type { ConnectionId } from '../envelope/ids.ts'
import { Fifo } from '../lib/fifo.ts'
import type { NameSet } from '../lib/name-set.ts'

/** Whether a connection is bound to a user or to a group. */
export type Kind = 'uid' | 'group'

/** A time during which a connection was bound to one user or group. Times are numbers of deliveries. */
interface Stay {
  readonly connection: ConnectionId
  readonly key: string
  readonly after: number
  /** Infinite while it lasts. */
  upTo: number
}

/**
 * Which connections were bound to which users and groups at each delivery. Only recent changes are noted: any other
 * binding has been as it is since the connection came.
 */
export class BindingHistory {
  readonly #byConnection = new Map<ConnectionId, Map<string, Stay[]>>()
  /** In the order in which they were noted, so the stays of one key are forgotten oldest first. */
  readonly #stays = new Fifo<Stay>()

  get size(): number {
    return this.#stays.size
  }

  /** The last delivery for which the oldest stay matters. */
  get oldest(): number {
    return this.#stays.first === undefined ? 0 : endOf(this.#stays.first)
  }

  /**
   * Notes that a binding has begun.
   *
   * @param now the number of the last delivery so far
   */
  begin({ id, addedAfter }: ClientConnection, kind: Kind, name: string, now: number): void {
    const key = keyOf(kind, name)
    const last = this.#lastOf(id, key)
    if (last?.upTo === now) last.upTo = Number.POSITIVE_INFINITY
    else if (last !== undefined || addedAfter < now) this.#note(id, key, now, Number.POSITIVE_INFINITY)
  }

  /** Notes that a binding has ended. */
  end({ id, addedAfter }: ClientConnection, kind: Kind, name: string, now: number): void {
    const key = keyOf(kind, name)
    const last = this.#lastOf(id, key)
    if (last !== undefined) last.upTo = now
    else if (addedAfter < now) this.#note(id, key, addedAfter, now)
  }

  /** Whether the connection was bound to one of the names at that delivery. */
  wasBound(connection: ClientConnection, kind: Kind, names: NameSet, delivery: number): boolean {
    if (connection.addedAfter >= delivery) return false
    const noted = this.#byConnection.get(connection.id) ?? NOTHING
    const { only } = names
    if (only !== undefined) {
      const stays = noted.get(keyOf(kind, only))
      return stays === undefined ? isBound(connection, kind, only) : covers(stays, delivery)
    }
    for (const name of boundTo(connection, kind)) {
      if (names.has(name) && !noted.has(keyOf(kind, name))) return true
    }
    for (const [key, stays] of noted) {
      if (key[0] === kind[0] && covers(stays, delivery) && names.has(key.slice(1))) return true
    }
    return false
  }

  /** Forgets what matters only to deliveries up to this one. */
  forgetUpTo(delivery: number): void {
    while (this.#stays.size > 0 && endOf(this.#stays.first!) <= delivery) this.#forget(this.#stays.shift()!)
  }

  #lastOf(id: ConnectionId, key: string): Stay | undefined {
    return this.#byConnection.get(id)?.get(key)?.at(-1)
  }

  #note(connection: ConnectionId, key: string, after: number, upTo: number): void {
    const stay = { connection, key, after, upTo }
    this.#stays.push(stay)
    const noted = this.#byConnection.get(connection) ?? new Map<string, Stay[]>()
    this.#byConnection.set(connection, noted)
    const stays = noted.get(key)
    if (stays === undefined) noted.set(key, [stay])
    else stays.push(stay)
  }

  #forget({ connection, key }: Stay): void {
    const noted = this.#byConnection.get(connection)
    const stays = noted?.get(key)
    stays?.shift()
    if (stays?.length === 0) noted?.delete(key)
    if (noted?.size === 0) this.#byConnection.delete(connection)
  }
}

const NOTHING: ReadonlyMap<string, readonly Stay[]> = new Map()

const keyOf = (kind: Kind, name: string): string => `${kind[0]}${name}`

/** A stay that still lasts may be forgotten early: it then counts as having lasted for ever. */
const endOf = ({ after, upTo }: Stay): number => (upTo === Number.POSITIVE_INFINITY ? after : upTo)

function covers(stays: readonly Stay[], delivery: number): boolean {
  return stays.some(({ after, upTo }) => after < delivery && delivery <= upTo)
}

function isBound({ uid, groupStamps }: ClientConnection, kind: Kind, name: string): boolean {
  return kind === 'uid' ? uid === name : (groupStamps as ReadonlyMap<string, number>).has(name)
}

function boundTo({ uid, groupStamps }: ClientConnection, kind: Kind): Iterable<string> {
  if (kind === 'group') return groupStamps.keys()
  return uid === undefined ? [] : [uid]
}
