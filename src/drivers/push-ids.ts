// Idempotency keys. test/contracts/push-ids.ts checks every MUST and MUST NOT of this contract.
import type { Receipt } from '../api.ts'
import type { NodeId, PushId } from '../envelope/ids.ts'

/** How long an idempotency key lives at most, in ms. */
export const LONGEST_ID = 600_000

/** The answer to a caller that wants to use an id. */
export type Reservation =
  /** The id is reserved for this caller now. An earlier attempt had reached the nodes in `stored`. */
  | { readonly type: 'fresh'; readonly stored: readonly NodeId[] }
  /** The id is reserved for another caller. */
  | { readonly type: 'pending' }
  /** The id came with another body before. */
  | { readonly type: 'conflict' }
  | { readonly type: 'done'; readonly receipt: Receipt }

/** Remembers what became of pushes that bear an id. */
export interface PushIds {
  /**
   * Reserves an id; `digest` tells bodies apart. A reservation that is never settled lapses after `ttl` ms. Here and
   * below, a `ttl` that is longer than `LONGEST_ID` counts as `LONGEST_ID`.
   */
  reserve(id: PushId, digest: string, ttl: number): Promise<Reservation>

  /**
   * From now on, and for `ttl` ms, the id answers with this receipt, which bears that id. A receipt that the id answers
   * with already MUST NOT be replaced.
   */
  settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void>

  /**
   * Frees the id after a failed push, unless another caller has settled it meanwhile. The nodes in `stored` need not
   * get the push again.
   */
  release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void>
}
