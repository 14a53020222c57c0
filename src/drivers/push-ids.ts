// Idempotency keys. MUST and MUST NOT are promises that test/contracts/push-ids.ts asks of every driver.
import type { Receipt } from '../api.ts'
import type { NodeId, PushId } from '../envelope/ids.ts'

/** How long an idempotency key lives at most, in ms. */
export const LONGEST_ID = 600_000

/** What came of asking for an id. */
export type Reservation =
  /** It is reserved for this caller now; `stored` are the nodes that an earlier attempt had reached. */
  | { readonly type: 'fresh'; readonly stored: readonly NodeId[] }
  /** It is reserved for another. */
  | { readonly type: 'pending' }
  /** The same id came with another body. */
  | { readonly type: 'conflict' }
  | { readonly type: 'done'; readonly receipt: Receipt }

/** What became of pushes that bear an id. */
export interface PushIds {
  /**
   * `digest` tells bodies apart; a reservation that is never settled lapses after `ttl` ms. No `ttl` here MAY be longer than
   * `LONGEST_ID`; what is longer counts as that.
   */
  reserve(id: PushId, digest: string, ttl: number): Promise<Reservation>

  /**
   * From now on the id answers with this receipt, which bears that id, for `ttl` ms. MUST NOT replace one that it answers
   * with already.
   */
  settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void>

  /** Frees the id after a failure, unless another has settled it meanwhile; `stored` are the nodes that need not get it again. */
  release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void>
}
