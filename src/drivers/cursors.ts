// Cursors: what devices have acked. test/contracts/cursors.ts checks every MUST and MUST NOT of this contract.
import type { Uid } from '../envelope/ids.ts'
import type { LogPosition } from './log.ts'

/** How many devices of a user have a cursor. */
export const MAX_CURSORS = 32

/** That a device has dealt with the user's mailbox up to a position. */
export interface Ack extends LogPosition {
  readonly uid: Uid
  readonly device: string
}

export interface Cursor {
  readonly device: string
  readonly number: number
  /** When the cursor was last written: ms since 1970 by the store's clock. */
  readonly seenAt: number
  /** How many messages of the mailbox have a larger number. */
  readonly unreadCount: number
}

/** How far each device of a user has acked the user's mailbox. */
export interface Cursors {
  /**
   * Moves cursors. The larger of the stored number and the new one MUST win. If a user has more than `MAX_CURSORS`
   * devices, those that were not seen for longest MUST be forgotten first. An ack for a mailbox that has no log, for
   * another epoch or a term that is not known MUST change nothing; a number that the log has lost counts as the last
   * one before it that the log still has. Calling it twice MUST be safe.
   */
  moveCursors(acks: readonly Ack[]): Promise<void>

  /** The cursors of a user's devices. */
  cursors(uid: Uid): Promise<readonly Cursor[]>
}
