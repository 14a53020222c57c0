import { setTimeout as sleep } from 'node:timers/promises'
import type { Parked, ParkedMessage, Parking as StoredParking } from '../drivers/parking.ts'
import type { Codec, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { Logger } from '../logger.ts'
import { Handover } from '../outbound/handover.ts'
import type { HeldUsers } from './held-users.ts'

const RETRY_PAUSE = 200
/** Users for whom something is parked at a time, or those of one push. */
const PORTION = 4_096

interface ParkedPushesInit {
  readonly state: StoredParking
  readonly codec: Codec
  readonly logger: Logger
  /** Told who is being handed something. */
  readonly heldUsers: HeldUsers
  /** A promise where it has to be sent on. */
  readonly handOut: (push: PushEnvelope, handover: Handover) => Promise<void> | undefined
  /** Calls back once the connections have taken it, or are not waited for any more. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
  /** Whether a user has a connection here that takes messages. */
  readonly isHere: (uid: Uid) => boolean
  /** False where this node has lost its place: then it will bind everybody again, and be told again of what is parked. */
  readonly confirmLease: () => Promise<boolean>
  /** Told of a push that found no room. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/**
 * Messages that were on their way when their users went: each waits a minute in the user's part of State, where whoever
 * binds the user next is told of it. They leave it once they were handed on, so who returns on two nodes at once may have
 * them on either.
 */
export class ParkedPushes {
  readonly #init: ParkedPushesInit
  /** Users who are being handed what is parked, with how often that was asked for since it was read. */
  readonly #collecting = new Map<Uid, number>()
  /** What is parked at the end of this turn, by the node that is ignored. */
  readonly #gathering = new Map<NodeId | undefined, Waiting[]>()
  #closed = false

  constructor(init: ParkedPushesInit) {
    this.#init = init
  }

  /**
   * Keeps a push for those of its users who are nowhere but perhaps on `ignored`; returns those who are somewhere. What is
   * to be kept at the same time goes together.
   */
  park(push: PushEnvelope, users: readonly UserRef[], ignored: NodeId | undefined): Promise<readonly UserRef[]> {
    const known = this.#gathering.get(ignored)
    const gathered = known ?? []
    if (known === undefined) {
      this.#gathering.set(ignored, gathered)
      setImmediate(() => {
        this.#gathering.delete(ignored)
        void this.#parkAll(gathered, ignored)
      })
    }
    return new Promise((resolve, reject) => void gathered.push({ push, users, resolve, reject }))
  }

  async #parkAll(gathered: readonly Waiting[], ignored: NodeId | undefined): Promise<void> {
    for (const portion of portionsOf(gathered)) {
      const parcels = portion.map(({ push, users }) => ({ id: push.id, bytes: this.#write(push), users }))
      try {
        const answers = await this.#init.state.park(parcels, ignored)
        for (const [index, { push, users, resolve }] of portion.entries()) {
          resolve(users.filter((user, at) => this.#isFound(push, user, answers[index]?.[at])))
        }
      } catch (error) {
        for (const { reject } of portion) reject(error)
      }
    }
  }

  #isFound(push: PushEnvelope, { uid }: UserRef, answer: Parked | undefined): boolean {
    const { isHere, onUndelivered } = this.#init
    if (answer === 'full') onUndelivered(push)
    // Back on the ignored node, which may be this one: bound before it was parked, and so told of nothing.
    else if (answer === 'parked' && isHere(uid)) void this.collect(uid)
    return answer === 'found'
  }

  /** Hands a user who has come here what is parked. Until that is done the store keeps it. */
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

  /** False where there may be more. Those whom it concerned are released with the first attempt. */
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
      logger.warn({ error }, 'what is parked for a user could not be read; it will be again')
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
    // What was parked since then is for connections that count as new: handed out before, it would be taken for known.
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

  /** Its users stand beside it, each with a stamp: many may wait for the same bytes. */
  #write(push: PushEnvelope): Uint8Array {
    const copy = { ...push, to: { type: 'users' as const, users: [] }, resent: true }
    return this.#init.codec.encode({ publisher: '', seq: 0, envelopes: [copy] })
  }

  #read(uid: Uid, { bytes, stamp }: ParkedMessage): PushEnvelope[] {
    const to = { type: 'users' as const, users: [{ uid, stamp }] }
    try {
      const { envelopes } = this.#init.codec.decode(bytes)
      return envelopes.flatMap((envelope) => (envelope.type === 'push' ? { ...envelope, to } : []))
    } catch (error) {
      this.#init.logger.error({ error }, 'a parked message is not ours and was dropped')
      return []
    }
  }
}

interface Waiting {
  readonly push: PushEnvelope
  readonly users: readonly UserRef[]
  readonly resolve: (found: readonly UserRef[]) => void
  readonly reject: (error: unknown) => void
}

/** So many users at a time: what was for a large group is for as many as it had members. */
function* portionsOf(gathered: readonly Waiting[]): Generator<readonly Waiting[]> {
  let portion: Waiting[] = []
  let count = 0
  for (const waiting of gathered) {
    if (portion.length > 0 && count + waiting.users.length > PORTION) {
      yield portion
      portion = []
      count = 0
    }
    portion.push(waiting)
    count += waiting.users.length
  }
  if (portion.length > 0) yield portion
}
