import { setTimeout as sleep } from 'node:timers/promises'
import type { Parked, ParkedMessage, Parking as StoredParking } from '../drivers/parking.ts'
import type { Codec, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { Logger } from '../logger.ts'
import { Handover } from '../outbound/handover.ts'
import type { Parker } from '../push/parker.ts'
import type { HeldUsers } from './held-users.ts'

const RETRY_PAUSE = 200

interface ParkedPushesInit {
  readonly state: StoredParking
  readonly parker: Parker
  readonly codec: Codec
  readonly logger: Logger
  /** Learns which users are being handed what is parked for them. */
  readonly heldUsers: HeldUsers
  /** Hands a push to the connections that are here. Returns a promise if it must be forwarded. */
  readonly handOut: (push: PushEnvelope, handover: Handover) => Promise<void> | undefined
  /** Calls `done` once the connections have taken the handover, or are no longer waited for. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
  /** Whether the user has a connection here that takes messages. */
  readonly isHere: (uid: Uid) => boolean
  /** False if this node has lost its lease: it will bind everybody again, and be told again of what is parked. */
  readonly confirmLease: () => Promise<boolean>
  /** Called for a push that found no room. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/**
 * Pushes that were on their way when their users went. Each is kept for a minute in the user's partition of State; the
 * node that binds the user next is told of it, hands it out, and only then removes it. A user who returns on two nodes
 * at once may get it on either.
 */
export class ParkedPushes {
  readonly #init: ParkedPushesInit
  /** Users who are being handed what is parked, with how often `collect` was called since it was last read. */
  readonly #collecting = new Map<Uid, number>()
  #closed = false

  constructor(init: ParkedPushesInit) {
    this.#init = init
  }

  /** Parks a push for those users who are on no node, or only on `ignored`; returns the users who are on another. */
  async park(push: PushEnvelope, users: readonly UserRef[], ignored: NodeId | undefined): Promise<readonly UserRef[]> {
    const answers = await this.#init.parker.park(push, users, { ignored })
    return users.filter((user, at) => this.#isFound(push, user, answers[at]))
  }

  #isFound(push: PushEnvelope, { uid }: UserRef, answer: Parked | undefined): boolean {
    const { isHere, onUndelivered } = this.#init
    if (answer === 'full') onUndelivered(push)
    // The user may be back on the ignored node, if that is this one: bound before, and so told of nothing.
    else if (answer === 'parked' && isHere(uid)) void this.collect(uid)
    return answer === 'found'
  }

  /** Hands a user who has come here what is parked. The store keeps it until that is done. */
  async collect(uid: Uid): Promise<void> {
    this.#init.heldUsers.hold(uid)
    const asked = this.#collecting.get(uid)
    this.#collecting.set(uid, (asked ?? 0) + 1)
    if (asked !== undefined) return
    let isDone = false
    while (!isDone && !this.#closed) isDone = await this.#attempt(uid)
    this.#init.heldUsers.release(uid, this.#collecting.get(uid))
    this.#collecting.delete(uid)
  }

  close(): void {
    this.#closed = true
  }

  /** False if there may be more. The user is no longer held once the first attempt has ended. */
  async #attempt(uid: Uid): Promise<boolean> {
    const { heldUsers, logger } = this.#init
    let held = this.#collecting.get(uid)!
    const release = (): void => {
      heldUsers.release(uid, held)
      held = 0
    }
    this.#collecting.set(uid, 0)
    try {
      await this.#handOut(uid, release)
      return this.#collecting.get(uid) === 0
    } catch (error) {
      logger.warn({ error }, 'what is parked for a user could not be read: trying again')
      release()
      await sleep(RETRY_PAUSE)
      return false
    } finally {
      release()
    }
  }

  async #handOut(uid: Uid, onHanded: () => void): Promise<void> {
    const { state, handOut, whenTaken } = this.#init
    const messages = await state.parkedFor(uid)
    // Pushes that were parked after this node lost its lease are for connections that will count as new once it has
    // joined again. Handed out before that, they would seem to have been delivered already, and be lost.
    if (!(await this.#init.confirmLease())) return
    const handover = new Handover()
    const tasks = messages.flatMap((message) =>
      this.#read(uid, message).flatMap((push) => handOut(push, handover) ?? []),
    )
    onHanded()
    await Promise.all(tasks)
    await new Promise<void>((resolve) => whenTaken(handover, resolve))
    await state.unpark(
      uid,
      messages.map(({ position }) => position),
    )
  }

  #read(uid: Uid, { bytes, stamp }: ParkedMessage): PushEnvelope[] {
    const to = { type: 'users' as const, users: [{ uid, stamp }] }
    try {
      const { envelopes } = this.#init.codec.decode(bytes)
      return envelopes.flatMap((envelope) => (envelope.type === 'push' ? { ...envelope, to } : []))
    } catch (error) {
      this.#init.logger.error({ error }, 'a parked message could not be decoded and was dropped')
      return []
    }
  }
}
