// What waits for users who are nowhere. MUST and MUST NOT are promises that test/contracts/parking.ts asks of every driver.
import type { UserRef } from '../envelope/envelope.ts'
import type { NodeId, PushId, Uid } from '../envelope/ids.ts'

/** A message whose users were nowhere. */
export interface Parcel {
  readonly id: PushId
  readonly bytes: Uint8Array
  readonly users: readonly UserRef[]
}

// Invariant P2: bounded, because many never come back.
/** How many messages wait for one user at most, of how many bytes (or a single larger one), and how long, in ms. */
export const MAX_PARKED = 100
export const MAX_PARKED_BYTES = 2 ** 20
export const PARK_FOR = 60_000

/** `found`: the user is somewhere by now, so look up again. `full`: as much waits for that user as may. */
export type Parked = 'parked' | 'found' | 'full'

export interface ParkedMessage {
  readonly position: string
  /** The user's in the parcel. */
  readonly stamp: number
  readonly bytes: Uint8Array
}

/** Messages that wait for their users. */
export interface Parking {
  /**
   * Keeps messages for a minute, at most 100 and a MiB for each user, and each push once: several nodes may have held a
   * copy that died with them. Answers for each parcel and each of its users. MUST be one step with what `apply` does:
   * either the user is on a node, which is not `ignored`, and the answer is `found`; or the next `apply` that puts the
   * user on one names it. However many users a message waits for, it SHOULD be stored a bounded number of times.
   */
  park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]>

  /** What is parked for a user, oldest first. It stays there. */
  parkedFor(uid: Uid): Promise<readonly ParkedMessage[]>

  /** Removes what was handed to the user. MUST keep what was parked once more since `parkedFor`: the user has gone again. */
  unpark(uid: Uid, positions: readonly string[]): Promise<void>
}
