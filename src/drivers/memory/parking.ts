import type { PushId, Uid } from '../../protocol/ids.ts'
import { MAX_PARKED, MAX_PARKED_BYTES, PARK_FOR, type Parked, type ParkedMessage } from '../state.ts'
import { ExpiringMap } from './expiring-map.ts'

/** Messages of users who are nowhere, for a minute. */
export class Parking {
  readonly #messages = new ExpiringMap<Uid, readonly ParkedMessage[]>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  add(uid: Uid, id: PushId, message: Omit<ParkedMessage, 'position'>): Parked {
    const messages = this.of(uid)
    if (messages.some(({ position }) => position === id)) return 'parked'
    const byteCount = messages.reduce((sum, { bytes }) => sum + bytes.length, message.bytes.length)
    if (messages.length >= MAX_PARKED || (messages.length > 0 && byteCount > MAX_PARKED_BYTES)) return 'full'
    this.#messages.set(uid, [...messages, { position: id, ...message }], this.#now(), PARK_FOR)
    return 'parked'
  }

  of(uid: Uid): readonly ParkedMessage[] {
    return this.#messages.get(uid, this.#now()) ?? []
  }

  remove(uid: Uid, positions: readonly string[]): void {
    const rest = this.of(uid).filter(({ position }) => !positions.includes(position))
    if (rest.length === 0) this.#messages.delete(uid)
    else this.#messages.set(uid, rest, this.#now(), 0)
  }
}
