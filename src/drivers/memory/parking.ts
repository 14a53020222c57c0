import type { PushId, Uid } from '../../envelope/ids.ts'
import { MAX_PARKED, MAX_PARKED_BYTES, PARK_FOR, type Parked, type ParkedMessage } from '../parking.ts'
import { ExpiringMap } from './expiring-map.ts'

interface Row extends Omit<ParkedMessage, 'position'> {
  readonly id: PushId
  /** How often it was parked again: who reads it meanwhile must not take it away. */
  readonly times: number
}

/** Messages of users who are nowhere, for a minute. */
export class Parking {
  readonly #rows = new ExpiringMap<Uid, readonly Row[]>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  add(uid: Uid, id: PushId, message: Omit<ParkedMessage, 'position'>): Parked {
    const rows = this.#of(uid)
    if (rows.some((row) => row.id === id)) {
      this.#keep(
        uid,
        rows.map((row) => (row.id === id ? { ...row, times: row.times + 1 } : row)),
      )
      return 'parked'
    }
    const byteCount = rows.reduce((sum, { bytes }) => sum + bytes.length, message.bytes.length)
    if (rows.length >= MAX_PARKED || (rows.length > 0 && byteCount > MAX_PARKED_BYTES)) return 'full'
    this.#keep(uid, [...rows, { id, times: 0, ...message }])
    return 'parked'
  }

  of(uid: Uid): readonly ParkedMessage[] {
    return this.#of(uid).map((row) => ({ position: positionOf(row), stamp: row.stamp, bytes: row.bytes }))
  }

  remove(uid: Uid, positions: readonly string[]): void {
    const rest = this.#of(uid).filter((row) => !positions.includes(positionOf(row)))
    if (rest.length === 0) this.#rows.delete(uid)
    else this.#rows.set(uid, rest, this.#now(), 0)
  }

  #of(uid: Uid): readonly Row[] {
    return this.#rows.get(uid, this.#now()) ?? []
  }

  #keep(uid: Uid, rows: readonly Row[]): void {
    this.#rows.set(uid, rows, this.#now(), PARK_FOR)
  }
}

const positionOf = ({ id, times }: Row): string => `${times} ${id}`
