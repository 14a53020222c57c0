import type { Overflow } from '../api.ts'
import type { EncodedMessage } from './outbound-message.ts'

/**
 * Whether a message was kept. `full` means that there is no room for it and that the policy does not drop anything to
 * make room.
 */
export type Taken = 'kept' | 'dropped' | 'full'

/** Counts what happened because clients read too slowly. */
export interface OverflowCounters {
  /** Messages that were dropped because a client read too slowly. */
  droppedCount: number
  /** Messages that were replaced by a newer one with the same key. */
  collapsedCount: number
  /** Connections that were closed because their clients read too slowly. */
  tooSlowCount: number
  /** How often a connection lagged for so long that handovers stopped waiting for it. */
  laggedCount: number
}

/** How the server treats clients that read too slowly. */
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
 * The messages that wait for one client that cannot take them now, because it lags or has not got its 101 yet. The
 * overflow policy bounds them. A connection has a backlog only while something waits.
 */
export class Backlog {
  readonly #rules: OverflowRules
  /**
   * In order of arrival. The key is the message's own key if newer messages replace older ones, and otherwise a number.
   */
  readonly #waiting = new Map<string | number, EncodedMessage>()
  #nextNumber = 0
  #byteCount = 0
  /**
   * True during the turn of the event loop in which the backlog began: the client could not have read anything yet, so
   * it cannot be too slow.
   */
  #isFresh = true

  constructor(rules: OverflowRules) {
    this.#rules = rules
    setImmediate(() => (this.#isFresh = false))
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** @param ahead bytes that the socket was given earlier and still holds */
  add(encoded: EncodedMessage, ahead: number): Taken {
    const { maxBuffered, overflow, counters } = this.#rules
    const { bytes, message } = encoded
    const collapses = overflow === 'collapse' && message.key !== undefined
    if (collapses && this.#remove(message.key)) counters.collapsedCount++
    const room = maxBuffered - ahead - bytes.length
    // Invariant D9: one slow client costs a bounded amount of memory.
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

  /** Takes out the oldest messages, up to `maxBytes` bytes, but at least one if any waits. */
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

  /** Drops the oldest messages until at most `byteCount` bytes are left. Returns how many it dropped. */
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
