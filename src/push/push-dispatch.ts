import type { Receipt } from '../api.ts'
import type { Recipients, PushEnvelope } from '../envelope/envelope.ts'
import { type PushId, shownPushId } from '../envelope/ids.ts'
import type { Payload } from '../envelope/payload.ts'
import type { Except, ParsedTarget } from '../envelope/target.ts'
import type { Backpressure } from './backpressure.ts'
import type { Dispatch } from './dispatch.ts'
import type { PendingReservation } from './pending-reservation.ts'

/** A push that was checked and encoded. */
export interface ParsedPush {
  readonly target: ParsedTarget
  readonly payload: Payload
  readonly except: Except | undefined
  readonly key: string | undefined
  readonly hold: number | undefined
}

export type OnFailure = (error: unknown) => void

export const toldElsewhere: OnFailure = () => {}

/** One push and its receipt. There may be very many at once, so nothing is allocated that most of them do not need. */
export class PushDispatch implements Dispatch<ParsedTarget> {
  readonly receipt: Promise<Receipt>
  readonly reservation: PendingReservation | undefined
  readonly #id: PushId
  readonly #push: ParsedPush
  readonly #backpressure: Backpressure
  readonly #room: number
  readonly #onFailure: OnFailure
  #resolve!: (receipt: Receipt) => void
  #reject!: (error: unknown) => void

  /**
   * @param room bytes of room that it gives back once it is done, or has failed
   * @param reservation present if the caller gave the push its id
   */
  constructor(
    id: PushId,
    push: ParsedPush,
    backpressure: Backpressure,
    room: number,
    onFailure: OnFailure,
    reservation?: PendingReservation,
  ) {
    this.#id = id
    this.#push = push
    this.#backpressure = backpressure
    this.#room = room
    this.#onFailure = onFailure
    this.reservation = reservation
    this.receipt = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get isFirstCopy(): true {
    return true
  }

  get target(): ParsedTarget {
    return this.#push.target
  }

  get hold(): number | undefined {
    return this.#push.hold
  }

  make(to: Recipients): PushEnvelope {
    const { payload, except, key } = this.#push
    const push = { type: 'push' as const, id: this.#id, to, payload, except, key, hops: 0, resent: false }
    return this.reservation === undefined ? push : { ...push, named: true }
  }

  done(nodeCount: number, offline: readonly string[], _stored: unknown, held: readonly string[] = []): void {
    this.#backpressure.leave(this.#room)
    const receipt = { id: this.reservation === undefined ? this.#id : shownPushId(this.#id), nodeCount, offline }
    this.#resolve(this.hold === undefined ? receipt : { ...receipt, held })
  }

  failed(error: unknown): void {
    this.#backpressure.leave(this.#room)
    this.#onFailure(error)
    // The failure was already reported, so a caller who does not handle it does no harm.
    this.receipt.catch(() => {})
    this.#reject(error)
  }
}
