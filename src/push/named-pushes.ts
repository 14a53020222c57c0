import { createHash } from 'node:crypto'
import type { Receipt } from '../api.ts'
import { type Reservation, LONGEST_ID, type PushIds } from '../drivers/push-ids.ts'
import { type NodeId, type PushId, shownPushId } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import type { Backpressure } from './backpressure.ts'
import type { Dispatcher } from './dispatcher.ts'
import { PendingReservation } from './pending-reservation.ts'
import { type OnFailure, type ParsedPush, PushDispatch, toldElsewhere } from './push-dispatch.ts'
import { pushSize } from './sizes.ts'

/** For this many ms after a push, its id answers with that push's receipt. */
const REMEMBER_IDS = LONGEST_ID

/** As many offline names of a receipt are remembered. A receipt may name ten thousand, and a million may be kept. */
const REMEMBER_OFFLINE = 20

/** A push waits for `storeWait` at most this many times. If it takes longer, the process that reserved the id has died. */
const RESERVED_FOR_WAITS = 3
/** The same for a push with `hold`, which may be looked up and stored once more. */
const RESERVED_FOR_HOLD = 6

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

interface NamedPushesInit {
  readonly dispatcher: Dispatcher
  readonly ids: PushIds
  readonly backpressure: Backpressure
  readonly storeWait: number
  readonly onFailure: OnFailure
}

/** A push whose caller gave it its id. */
interface NamedPush {
  readonly id: PushId
  /** Tells whether a later push with this id is the same push. */
  readonly digest: string
  readonly push: ParsedPush
}

/** Pushes each id once, whoever pushes it, and answers later pushes of it with the first one's receipt. */
export class NamedPushes {
  readonly #init: NamedPushesInit
  readonly #underWay = new Map<PushId, { digest: string; receipt: Promise<Receipt> }>()

  constructor(init: NamedPushesInit) {
    this.#init = init
  }

  /** Two calls at once with one id, in this process, are one push. */
  push(id: PushId, push: ParsedPush): Promise<Receipt> {
    const named = { id, digest: digestOf(push), push }
    const underWay = this.#underWay.get(id)
    if (underWay !== undefined) {
      return underWay.digest === named.digest ? underWay.receipt : Promise.reject(idReused(id))
    }
    const receipt = this.#enter(named).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, { digest: named.digest, receipt })
    return receipt
  }

  #enter(named: NamedPush): Promise<Receipt> {
    const { backpressure } = this.#init
    const size = pushSize(named.push)
    const start = (): Promise<Receipt> => this.#start(named, size)
    return backpressure.enter(size) ? start() : backpressure.wait(size, start)
  }

  /** Its reservation and its lookup go out together. */
  async #start({ id, digest, push }: NamedPush, size: number): Promise<Receipt> {
    const { ids, dispatcher, backpressure, storeWait } = this.#init
    // Invariant I1: among all who push under this id, one is sent.
    const waits = push.hold === undefined ? RESERVED_FOR_WAITS : RESERVED_FOR_HOLD
    const reserving = ids.reserve(id, digest, waits * storeWait)
    const dispatch = new PushDispatch(id, push, backpressure, 0, toldElsewhere, new PendingReservation(reserving))
    dispatcher.dispatch(dispatch)
    const leave = (): void => backpressure.leave(size)
    try {
      const reserved = await reserving
      if (reserved.type !== 'fresh') return receiptOf(id, reserved)
      return await this.#settle({ id, digest, push }, reserved.stored, dispatch.receipt)
    } finally {
      // A push that is sent to nobody takes up room until its lookup is answered.
      dispatch.receipt.then(leave, leave)
    }
  }

  /** Tells the store the outcome of a push that holds the reservation. */
  async #settle({ id, digest }: NamedPush, stored: readonly NodeId[], sent: Promise<Receipt>): Promise<Receipt> {
    const { ids, onFailure } = this.#init
    let receipt: Receipt
    try {
      receipt = await sent
    } catch (error) {
      // Invariant I2: the next attempt leaves out the nodes that have the push.
      // Nodes that an earlier attempt reached keep the push, whatever made this attempt fail.
      const nodes = [...new Set([...stored, ...storedBefore(error)])]
      // The id is free for another attempt. If the store is away for this too, the reservation lapses by itself.
      await ids.release(id, digest, nodes, REMEMBER_IDS).catch(() => {})
      throw error
    }
    // The push is stored: it must not fail because its id could not be remembered.
    await ids.settle(id, digest, remembered(receipt), REMEMBER_IDS).catch(onFailure)
    return receipt
  }
}

/** The answer to a push whose id another push holds or has used. */
function receiptOf(id: PushId, reserved: Exclude<Reservation, { type: 'fresh' }>): Receipt {
  switch (reserved.type) {
    case 'done':
      return reserved.receipt
    case 'conflict':
      throw idReused(id)
    case 'pending':
      throw new FlotillaError(
        'FLT_PUSH_PENDING',
        `another push with the id ${shownPushId(id)} is under way: try again in a moment`,
      )
    default:
      throw reserved satisfies never
  }
}

/** The receipt that the next push with the same id gets. */
function remembered(receipt: Receipt): Receipt {
  const { offline, held } = receipt
  if (offline.length <= REMEMBER_OFFLINE) return receipt
  const counted = { ...receipt, offline: [], offlineCount: offline.length }
  return held === undefined ? counted : { ...counted, held: [], heldCount: held.length }
}

function storedBefore(error: unknown): readonly NodeId[] {
  if (!(error instanceof FlotillaError)) return []
  return (error.details?.['stored'] as readonly NodeId[] | undefined) ?? []
}

/**
 * Equal for two pushes with the same content, although JSON may be spelled in several ways and one node may have got it as
 * an object. Older nodes wrote the same digest, except for JSON that they altered on its way.
 */
function digestOf({ target, payload, except, key, hold }: ParsedPush): string {
  // What is absent is left out, to match the digests of versions that did not have it. A key is never a number.
  const keys = [key, hold].filter((part) => part !== undefined)
  const hash = createHash('sha1').update(JSON.stringify([target, payload.kind === 'bytes', except ?? null, ...keys]))
  // Invariant I4: one JSON value is one push, however it is spelled.
  return hash.update(payload.kind === 'json' ? canonicalJson(toText(payload.data)) : payload.data).digest('base64')
}

function toText(data: string | Uint8Array): string {
  return typeof data === 'string' ? data : decoder.decode(data)
}

function idReused(id: PushId): FlotillaError {
  return new FlotillaError(
    'FLT_ID_REUSED',
    `id ${shownPushId(id)} was used for another push within 10 minutes: give each push its own`,
  )
}
