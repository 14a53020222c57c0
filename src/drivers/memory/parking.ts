import type { NodeId, PushId, Uid } from '../../envelope/ids.ts'
import {
  MAX_PARKED,
  MAX_PARKED_BYTES,
  PARK_FOR,
  type Parcel,
  type Parked,
  type ParkedMessage,
  type Parking,
} from '../parking.ts'
import type { MemoryHandle } from './handle.ts'
import type { ParkedRow } from './memory-store.ts'

export class MemoryParking implements Parking {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  async park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]> {
    this.#handle.assertOpen()
    const { routes } = this.#handle.store
    return parcels.map(({ id, bytes: given, users, keepFor = PARK_FOR }) => {
      const bytes = given.slice()
      return users.map(({ uid, stamp }) =>
        // Invariant P1: nothing comes between this and a binding.
        routes.nodesOf(uid).some((node) => node !== ignored) ? 'found' : this.#add(uid, id, { stamp, bytes }, keepFor),
      )
    })
  }

  async parkedFor(uid: Uid): Promise<readonly ParkedMessage[]> {
    this.#handle.assertOpen()
    return this.#of(uid).map((row) => ({ position: positionOf(row), stamp: row.stamp, bytes: row.bytes }))
  }

  async unpark(uid: Uid, positions: readonly string[]): Promise<void> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    const rest = this.#of(uid).filter((row) => !positions.includes(positionOf(row)))
    if (rest.length === 0) store.parked.delete(uid)
    else store.parked.set(uid, rest, store.now(), 0)
  }

  #add(uid: Uid, id: PushId, message: Pick<ParkedRow, 'stamp' | 'bytes'>, keepFor: number): Parked {
    const rows = this.#of(uid)
    const until = this.#handle.store.now() + keepFor
    const again = (row: ParkedRow): ParkedRow => ({
      ...row,
      times: row.times + 1,
      until: Math.max(row.until, until),
    })
    if (rows.some((row) => row.id === id)) {
      this.#keep(
        uid,
        rows.map((row) => (row.id === id ? again(row) : row)),
        keepFor,
      )
      return 'parked'
    }
    const byteCount = rows.reduce((sum, { bytes }) => sum + bytes.length, message.bytes.length)
    if (rows.length >= MAX_PARKED || (rows.length > 0 && byteCount > MAX_PARKED_BYTES)) return 'full'
    this.#keep(uid, [...rows, { id, times: 0, until, ...message }], keepFor)
    return 'parked'
  }

  #of(uid: Uid): readonly ParkedRow[] {
    const { store } = this.#handle
    const now = store.now()
    return (store.parked.get(uid, now) ?? []).filter(({ until }) => until > now)
  }

  #keep(uid: Uid, rows: readonly ParkedRow[], keepFor: number): void {
    const { store } = this.#handle
    store.parked.set(uid, rows, store.now(), keepFor)
  }
}

const positionOf = ({ id, times }: ParkedRow): string => `${times} ${id}`
