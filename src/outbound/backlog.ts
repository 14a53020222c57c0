import type { Overflow } from '../api.ts'
import type { EncodedMessage } from './encoded-message.ts'

/** What became of a message: `full` where there is no room for it, and none is to be made. */
export type Taken = 'kept' | 'dropped' | 'full'

/** What slow clients have cost so far. */
export interface OverflowCounters {
  /** Messages that a client did not get, for it read too slowly. */
  droppedCount: number
  /** Messages whose place a newer one with the same key took. */
  collapsedCount: number
  /** Connections that were closed, for they read too slowly. */
  tooSlowCount: number
  /** How often a connection lagged for so long that nothing waited for it any more. */
  laggedCount: number
}

/** How all connections of a server treat slow clients. */
export interface OverflowRules {
  /** Bytes that may wait for one client; a single message may be larger. */
  readonly maxBuffered: number
  readonly overflow: Overflow
  readonly counters: OverflowCounters
}

export const newCounters = (): OverflowCounters => ({
  droppedCount: 0,
  collapsedCount: 0,
  tooSlowCount: 0,
  laggedCount: 0,
})

/**
 * What waits for one client that cannot take it now: one that lags, or that has not got its 101 yet. Bounded, by the
 * policy; and it exists only while something waits.
 */
export class Backlog {
  readonly #rules: OverflowRules
  /** In order. By key where newer messages take the places of older ones, by number otherwise. */
  readonly #waiting = new Map<string | number, EncodedMessage>()
  #nextNumber = 0
  #byteCount = 0
  /** In the turn of the event loop in which it began to wait, no client could have read: only then it may be too slow. */
  #isFresh = true

  constructor(rules: OverflowRules) {
    this.#rules = rules
    setImmediate(() => (this.#isFresh = false))
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** @param ahead bytes that were handed to the socket before and that it still holds */
  add(encoded: EncodedMessage, ahead: number): Taken {
    const { maxBuffered, overflow, counters } = this.#rules
    const { bytes, message } = encoded
    const collapses = overflow === 'collapse' && message.key !== undefined
    if (collapses && this.#remove(message.key)) counters.collapsedCount++
    const room = maxBuffered - ahead - bytes.length
    if (this.#byteCount > Math.max(room, 0) && !this.#isFresh) {
      if (overflow === 'dropNewest') {
        counters.droppedCount++
        return 'dropped'
      }
      if (overflow !== 'dropOldest') return 'full'
      counters.droppedCount += this.#shrinkTo(room)
    }
    this.#waiting.set(collapses ? message.key : this.#nextNumber++, encoded)
    this.#byteCount += bytes.length
    return 'kept'
  }

  /** Takes out the oldest, up to so many bytes, but one at least; nothing where nothing waits. */
  take(maxBytes: number): EncodedMessage[] {
    const taken: EncodedMessage[] = []
    let byteCount = 0
    for (const [key, encoded] of this.#waiting) {
      byteCount += encoded.bytes.length
      if (taken.length > 0 && byteCount > maxBytes) break
      taken.push(encoded)
      this.#remove(key)
    }
    return taken
  }

  /** Drops the oldest until no more than so many bytes are left; says how many it dropped. */
  #shrinkTo(byteCount: number): number {
    let count = 0
    for (const key of this.#waiting.keys()) {
      if (this.#byteCount <= Math.max(byteCount, 0)) break
      this.#remove(key)
      count++
    }
    return count
  }

  #remove(key: string | number): boolean {
    const encoded = this.#waiting.get(key)
    if (encoded === undefined) return false
    this.#byteCount -= encoded.bytes.length
    return this.#waiting.delete(key)
  }
}
