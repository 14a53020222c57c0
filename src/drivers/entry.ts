/**
 * Nothing was taken. `full`: it would be over its bound in bytes; `behind`: the oldest that was not acked is older than
 * `maxLag`, by the store's clock.
 */
export type Refused = 'full' | 'behind'

/** What stands in an inbox, or in the stream of broadcasts. */
export interface Entry {
  /** Where it stands; grows. */
  readonly position: string
  readonly bytes: Uint8Array
  /** Its number in the stream, which grows from entry to entry; of one that is replayed, what it was the first time. */
  readonly offset: number
  /**
   * When it was appended, in µs of the clock that `Routes` stamps by, give or take a ms. MUST NOT be less than that of an entry
   * before it, unless the store has changed its server.
   */
  readonly at: number
  /** Of a batch that was appended by `Routes.appendWhereFound`: the stamp of the one user or group in each of its addresses. */
  readonly stamp?: number
  /** A broadcast that comes once more, for those who connected since it came first. It is not acked. */
  readonly isReplay?: boolean
}

/** An entry without bytes, which ends a replay, has only to be acked. */
export const isEmpty = ({ bytes }: Entry): boolean => bytes.length === 0

/** Reading stops before the next entry; resolves when the handler has returned. */
export type Stop = () => Promise<void>

/**
 * Entries in order. Reading goes on when it resolves; it MUST NOT reject. Where the connection to the store was lost, what
 * was not acked MAY be handed out again, from its start, and positions MAY begin anew: whoever reads knows by publisher
 * and number what it had.
 */
export type Handler = (entries: readonly Entry[]) => Promise<void> | void
