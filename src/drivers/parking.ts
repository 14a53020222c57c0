// Parked messages. test/contracts/parking.ts checks every MUST and MUST NOT of this contract.
import type { UserRef } from '../envelope/envelope.ts'
import type { NodeId, PushId, Uid } from '../envelope/ids.ts'

/** A message for users who were on no node. */
export interface Parcel {
  readonly id: PushId
  readonly bytes: Uint8Array
  readonly users: readonly UserRef[]
  /** For how many ms it is parked, at most and by default `PARK_FOR`. */
  readonly keepFor?: number | undefined
}

// Invariant P2: bounded, because many never come back.
/**
 * For each user: how many messages may be parked, how many bytes they may have together (a single one may have more),
 * and for how long, in ms.
 */
export const MAX_PARKED = 100
export const MAX_PARKED_BYTES = 2 ** 20
export const PARK_FOR = 60_000

/** `found`: the user is on a node by now, so look up again. `full`: no more may be parked for that user. */
export type Parked = 'parked' | 'found' | 'full'

export interface ParkedMessage {
  readonly position: string
  /** The stamp that the parcel had for this user. */
  readonly stamp: number
  readonly bytes: Uint8Array
}

/** Messages that wait for users who are on no node. */
export interface Parking {
  /**
   * Parks messages for a minute or for `keepFor`, at most 100 messages and a MiB for each user. A message whose time is
   * over takes up no room. A message that is parked again MUST NOT be kept for less time than before. Stores each push
   * once for each user, because several nodes may have held a copy of it when they died. Answers for each parcel and
   * each of its users. For each user the call MUST be atomic with `apply`: either the user is on a node other than
   * `ignored`, and the answer is `found`; or the next `apply` that puts the user on a node names the user. The bytes of
   * a message SHOULD be stored a bounded number of times, however many users it waits for.
   */
  park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]>

  /** The messages that are parked for a user, oldest first. They stay parked. */
  parkedFor(uid: Uid): Promise<readonly ParkedMessage[]>

  /**
   * Removes messages that were handed to the user. A message that was parked again since `parkedFor` MUST stay, because
   * the user has gone again.
   */
  unpark(uid: Uid, positions: readonly string[]): Promise<void>
}
