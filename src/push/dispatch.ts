import type { Recipients, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { Share } from './lookup-answers.ts'
import type { PendingReservation } from './pending-reservation.ts'
import type { LocatableTarget } from './targets.ts'

/** A request to the dispatcher: the target, the content, and the calls that report the outcome. */
export interface Dispatch<Target = LocatableTarget> {
  readonly target: Target
  /** A push's first copy keeps its place among those to its target, and may be sent directly. */
  readonly isFirstCopy?: boolean
  /** Present if the caller gave the push its id. */
  readonly reservation?: PendingReservation | undefined
  /** For how many ms a push to users is parked for those who are nowhere. */
  readonly hold?: number | undefined
  /** A node that is known not to have the target. */
  readonly ignoring?: NodeId | undefined
  /** Makes the envelope for one node, or for everyone. */
  make(to: Recipients): Envelope
  /**
   * Called once `nodeCount` nodes have it. `stored` lists their shares, unless it was for everyone; `held` lists the
   * users for whom it is parked.
   */
  done(nodeCount: number, offline: readonly string[], stored: readonly Share[], held?: readonly string[]): void
  failed(error: unknown): void
}
