import type { Parked, ParkedMessage, State } from '../drivers/state.ts'
import type { Logger } from '../logger.ts'
import type { Codec, PushEnvelope } from '../protocol/envelope.ts'
import type { NodeId, Uid } from '../protocol/ids.ts'
import { Handover } from '../sockets/handover.ts'
import type { Afterwork } from './deliverer.ts'

const RETRY_PAUSE = 200
/** Copies that are made at a time: what was for a large group has as many as it had members. */
const PARCELS = 256

interface ParkingInit {
  readonly state: State
  readonly codec: Codec
  readonly logger: Logger
  readonly deliver: (push: PushEnvelope, handover: Handover) => Afterwork
  /** Calls back once the connections have taken it, or are not waited for any more. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
  /** Whether a user has a connection here that takes messages. */
  readonly isHere: (uid: Uid) => boolean
  /** False where this node has lost its place: then it will bind everybody again, and be told again of what is parked. */
  readonly confirm: () => Promise<boolean>
  /** Told of a push that found no room. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/**
 * Messages that were on their way when their users went: each waits a minute in the user's part of State, where whoever
 * binds the user next is told of it. They leave it once they were handed on, so who returns on two nodes at once may have
 * them on either.
 */
export class Parking {
  readonly #init: ParkingInit
  /** Users who are being handed what is parked, with whether more may have been parked since that was read. */
  readonly #collecting = new Map<Uid, boolean>()
  #closed = false

  constructor(init: ParkingInit) {
    this.#init = init
  }

  /** Keeps a copy for each of a push's users who are nowhere but perhaps on `ignored`; returns those who are somewhere. */
  async park(push: PushEnvelope, uids: readonly Uid[], ignored: NodeId | undefined): Promise<readonly Uid[]> {
    const stamps = new Map(push.to.type === 'users' ? push.to.users.map(({ uid, stamp }) => [uid, stamp]) : [])
    const found: Uid[] = []
    for (let start = 0; start < uids.length; start += PARCELS) {
      const part = uids.slice(start, start + PARCELS)
      const parcels = part.map((uid) => ({ uid, id: push.id, bytes: this.#write(push, uid, stamps.get(uid) ?? 0) }))
      const answers = await this.#init.state.park(parcels, ignored)
      for (const [index, uid] of part.entries()) {
        if (answers[index] === 'found') found.push(uid)
        else this.#parked(push, uid, answers[index])
      }
    }
    return found
  }

  #parked(push: PushEnvelope, uid: Uid, answer: Parked | undefined): void {
    const { isHere, onUndelivered } = this.#init
    if (answer === 'full') onUndelivered(push)
    // Back on the ignored node, which may be this one: bound before it was parked, and so told of nothing.
    else if (isHere(uid)) void this.collect(uid)
  }

  /** Hands a user who has come here what is parked. Until that is done the store keeps it. */
  async collect(uid: Uid): Promise<void> {
    const isUnderWay = this.#collecting.has(uid)
    this.#collecting.set(uid, true)
    if (isUnderWay) return
    while (this.#collecting.get(uid) === true && !this.#closed) {
      this.#collecting.set(uid, false)
      try {
        await this.#handOut(uid)
      } catch (error) {
        this.#collecting.set(uid, true)
        this.#init.logger.warn({ error }, 'what is parked for a user could not be read; it will be again')
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      }
    }
    this.#collecting.delete(uid)
  }

  close(): void {
    this.#closed = true
  }

  async #handOut(uid: Uid): Promise<void> {
    const { state, deliver, whenTaken } = this.#init
    const messages = await state.parkedFor(uid)
    // What was parked since then is for connections that count as new: handed out before, it would be taken for known.
    if (!(await this.#init.confirm())) return
    const handover = new Handover()
    const works = messages.flatMap((message) => this.#read(message).map((push) => deliver(push, handover)))
    for (const { absent, left } of works) {
      await absent
      await left
    }
    await new Promise<void>((resolve) => whenTaken(handover, resolve))
    await state.unpark(
      uid,
      messages.map(({ position }) => position),
    )
  }

  #write(push: PushEnvelope, uid: Uid, stamp: number): Uint8Array {
    const copy = { ...push, to: { type: 'users' as const, users: [{ uid, stamp }] }, resent: true }
    return this.#init.codec.encode({ publisher: '', seq: 0, envelopes: [copy] })
  }

  #read({ bytes }: ParkedMessage): PushEnvelope[] {
    try {
      return this.#init.codec.decode(bytes).envelopes.filter((envelope) => envelope.type === 'push')
    } catch (error) {
      this.#init.logger.error({ error }, 'a parked message is not ours and was dropped')
      return []
    }
  }
}
