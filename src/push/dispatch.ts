import type { Recipients, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { Share } from './lookup-answers.ts'
import type { PendingReservation } from './pending-reservation.ts'
import type { LocatableTarget } from './targets.ts'

/** What the dispatcher is asked to send, and who is told what came of it. */
export interface Dispatch<Target = LocatableTarget> {
  readonly target: Target
  /** A push's first copy keeps its place among those to its target, and may be sent directly. */
  readonly isFirstCopy?: boolean
  /** Present if the caller gave the push its id. */
  readonly reservation?: PendingReservation | undefined
  /** A node that is known not to have the target. */
  readonly ignoring?: NodeId | undefined
  /** Makes what one node, or everyone, is sent. */
  make(to: Recipients): Envelope
  /** `nodeCount` nodes have it. `stored` says which of them have what, unless it was for everyone. */
  done(nodeCount: number, offline: readonly string[], stored: readonly Share[]): void
  failed(error: unknown): void
}
