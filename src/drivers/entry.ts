/**
 * Why a batch was not taken. `full`: with it, the stream would hold more bytes than it may. `behind`: the oldest entry
 * that was not acked is older than `maxLag`, by the store's clock.
 */
export type Refused = 'full' | 'behind'

/** One element of an inbox or of the broadcast stream. */
export interface Entry {
  /** Where the entry stands. Positions grow from entry to entry. */
  readonly position: string
  readonly bytes: Uint8Array
  /** The entry's number in its stream, which grows from entry to entry. A replay has the number of the original. */
  readonly offset: number
  /**
   * When the entry was appended, in µs of the clock that `Routes` takes its stamps from, give or take a ms. It MUST NOT
   * be less than the time of an earlier entry, unless another server has taken over the store.
   */
  readonly at: number
  /** The stamp of the one user or group among the recipients of each of its envelopes. Only `Routes.appendWhereFound` sets it. */
  readonly stamp?: number
  /**
   * Whether this is a broadcast that comes once more, for clients that connected after it came first. A replay is not
   * acked.
   */
  readonly isReplay?: boolean
}

/** An entry without bytes ends a replay. It only has to be acked. */
export const isEmpty = ({ bytes }: Entry): boolean => bytes.length === 0

/** Stops reading before the next entry, and resolves when the handler has returned. */
export type Stop = () => Promise<void>

/**
 * Takes entries in order. Reading goes on when the handler resolves; a handler MUST NOT reject. After the connection to
 * the store was lost, entries that were not acked MAY be handed out again, from the oldest, and positions MAY begin
 * anew: a reader recognizes a batch that it has had by the batch's publisher and number.
 */
export type Handler = (entries: readonly Entry[]) => Promise<void> | void
