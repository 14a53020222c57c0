import { createHash } from 'node:crypto'
import type { Message, Many, Pusher as PusherApi, PushOptions, Receipt, Target } from '../api.ts'
import { LONGEST_ID, type PushIds } from '../drivers/push-ids.ts'
import type { Address, PushEnvelope } from '../envelope/envelope.ts'
import { callersPushId, countedPushId, entryPushId, type NodeId, type PushId, shownPushId } from '../envelope/ids.ts'
import { bytesOf, encodePayload, isPayloadWithin, type Payload, sizeOfPayload } from '../envelope/payload.ts'
import {
  type Except,
  type ParsedTarget,
  parseExcept,
  parsePushId,
  parsePushKey,
  parseTarget,
} from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { checkNames } from '../lib/checked-names.ts'
import { Backpressure } from './backpressure.ts'
import type { Dispatch } from './dispatch.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { PushCall } from './push-body.ts'
import { pushSize } from './sizes.ts'
import { type Turn, Turns } from './turns.ts'

/** How long an id given by the caller answers with the first push's receipt. */
const REMEMBER_IDS = LONGEST_ID

/** So many who were offline are remembered by name: a receipt may name ten thousand, and be kept a million times. */
const REMEMBER_OFFLINE = 20

/** A push waits at most so often for `storeWait`: to be claimed, located, appended. Longer, its claim is a dead one's. */
const CLAIM_WAITS = 3

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const NO_OPTIONS: PushOptions = Object.freeze({})
const PUSH_OPTIONS = ['except', 'id', 'key'] as const satisfies readonly (keyof PushOptions)[]

interface PusherSettings {
  readonly maxPayload: number
  readonly storeWait: number
  readonly maxWaitingBytes: number
  /** Told of every push that failed: its caller is, too, if it listens. */
  readonly onFailure: OnFailure
}

interface ParsedPush {
  readonly target: ParsedTarget
  readonly payload: Payload
  readonly except: Except | undefined
  readonly key: string | undefined
}

/** The push API: checks what it is given, encodes it once, and hands it to the dispatcher. */
export class Pusher implements PusherApi {
  readonly backpressure: Backpressure
  readonly #dispatcher: Dispatcher
  readonly #ids: PushIds
  readonly #publisher: string
  readonly #settings: PusherSettings
  readonly #turns = new Turns()
  readonly #underWay = new Map<PushId, { digest: string; receipt: Promise<Receipt> }>()
  #count = 0
  #nextId = 0
  #closed = false

  constructor(dispatcher: Dispatcher, ids: PushIds, publisher: string, settings: PusherSettings) {
    this.#dispatcher = dispatcher
    this.#ids = ids
    this.#publisher = publisher
    this.#settings = settings
    this.backpressure = new Backpressure(settings.maxWaitingBytes, settings.storeWait)
  }

  /** How many pushes were asked for. */
  get count(): number {
    return this.#count
  }

  /** Takes no more, and resolves once everything that was pushed is stored, or has failed: each is bounded by `storeWait`. */
  async close(): Promise<void> {
    this.#closed = true
    await this.backpressure.idle()
    await this.#dispatcher.idle()
  }

  push(target: Target, message: Message, options: PushOptions = NO_OPTIONS): Promise<Receipt> {
    return this.#take(target, message, options, undefined)
  }

  /** However often an entry of the ingress stream is read, it is one push; under its caller's id if it bears one. */
  pushEntry(position: string, { target, message, options }: PushCall): Promise<Receipt> {
    return this.#take(target, message, options, entryPushId(position))
  }

  #take(target: Target, message: Message, options: PushOptions, otherwise: PushId | undefined): Promise<Receipt> {
    this.#count++
    try {
      // Else close would wait for ever where pushes keep coming.
      if (this.#closed) throw new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
      if (options !== NO_OPTIONS) checkNames('push', options, PUSH_OPTIONS)
      const { except, key } = options
      const id = options.id === undefined ? otherwise : callersPushId(parsePushId(options.id))
      const push = {
        target: parseTarget(target),
        payload: this.#encode(message),
        except: parseExcept(except),
        key: key === undefined ? undefined : parsePushKey(key),
      }
      if (id === undefined) return this.#pushNew(push)
      return this.#told(this.#pushOnce(id, push))
    } catch (error) {
      return this.#told(Promise.reject(error))
    }
  }

  transport(message: Message, ...uid: [] | [uid: Many]): Promise<Receipt> {
    return uid.length === 0 ? this.transportToAll(message) : this.push({ uid: uid[0] }, message)
  }

  transportToUid(message: Message, ...uids: string[]): Promise<Receipt> {
    return this.push({ uid: uids }, message)
  }

  transportToGroup(message: Message, ...groups: string[]): Promise<Receipt> {
    return this.push({ group: groups }, message)
  }

  transportToAll(message: Message): Promise<Receipt> {
    return this.push({ all: true }, message)
  }

  #encode(message: unknown): Payload {
    // The caller may write into its bytes again before they are sent.
    const payload = encodePayload(bytesOf(message)?.slice() ?? message)
    const { maxPayload } = this.#settings
    if (isPayloadWithin(payload, maxPayload)) return payload
    const found = `message has ${sizeOfPayload(payload)} bytes`
    throw new FlotillaError('FLT_TOO_LARGE', `${found}: at most ${maxPayload} are allowed (maxPayload)`)
  }

  #pushNew(push: ParsedPush): Promise<Receipt> {
    const size = pushSize(push)
    if (this.backpressure.enter(size)) return this.#start(push, size, this.#settings.onFailure)
    return this.#told(this.backpressure.wait(size, () => this.#start(push, size, toldElsewhere)))
  }

  #start(push: ParsedPush, size: number, onFailure: OnFailure): Promise<Receipt> {
    if (this.#turns.areFree) return this.#startNow(push, size, onFailure)
    const turn = this.#turns.take(push.target)
    const start = (): Promise<Receipt> => {
      const receipt = this.#startNow(push, size, onFailure)
      turn.end()
      return receipt
    }
    return turn.begun === undefined ? start() : turn.begun.then(start)
  }

  #startNow(push: ParsedPush, size: number, onFailure: OnFailure): Promise<Receipt> {
    return this.#dispatch(new PushDispatch(this.#newId(), push, this.backpressure, size, onFailure))
  }

  #dispatch(dispatch: PushDispatch): Promise<Receipt> {
    this.#dispatcher.dispatch(dispatch)
    return dispatch.receipt
  }

  /** A push that nobody awaits must not end the process: its failure is told here. Who awaits it, hears it as well. */
  #told(receipt: Promise<Receipt>): Promise<Receipt> {
    receipt.catch(this.#settings.onFailure)
    return receipt
  }

  /** Two calls at once with one id, in this process, are one push. */
  #pushOnce(id: PushId, push: ParsedPush): Promise<Receipt> {
    const digest = digestOf(push)
    const underWay = this.#underWay.get(id)
    if (underWay !== undefined) return underWay.digest === digest ? underWay.receipt : Promise.reject(idReused(id))
    const receipt = this.#pushNamed(id, digest, push).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, { digest, receipt })
    return receipt
  }

  /** It waits for the store to claim its id first: so it holds its room from then on. */
  #pushNamed(id: PushId, digest: string, push: ParsedPush): Promise<Receipt> {
    const size = pushSize(push)
    const start = (): Promise<Receipt> =>
      this.#claimAndPush(id, digest, push).finally(() => this.backpressure.leave(size))
    return this.backpressure.enter(size) ? start() : this.backpressure.wait(size, start)
  }

  async #claimAndPush(id: PushId, digest: string, push: ParsedPush): Promise<Receipt> {
    const turn = this.#turns.take(push.target)
    try {
      return await this.#pushInTurn(id, digest, push, turn)
    } finally {
      turn.end()
    }
  }

  async #pushInTurn(id: PushId, digest: string, push: ParsedPush, turn: Turn): Promise<Receipt> {
    const reservation = await this.#ids.reserve(id, digest, CLAIM_WAITS * this.#settings.storeWait)
    switch (reservation.type) {
      case 'done':
        return reservation.receipt
      case 'conflict':
        throw idReused(id)
      case 'pending':
        throw new FlotillaError(
          'FLT_PUSH_PENDING',
          `another push with the id ${shownPushId(id)} is under way: try again in a moment`,
        )
      case 'fresh':
        await turn.begun
        return this.#pushClaimed(id, digest, push, reservation.stored, turn)
      default:
        throw reservation satisfies never
    }
  }

  async #pushClaimed(
    id: PushId,
    digest: string,
    push: ParsedPush,
    stored: readonly NodeId[],
    turn: Turn,
  ): Promise<Receipt> {
    let receipt: Receipt
    try {
      const dispatched = this.#dispatch(new PushDispatch(id, push, this.backpressure, 0, toldElsewhere, { stored }))
      turn.end()
      receipt = await dispatched
    } catch (error) {
      // What an earlier attempt stored stays stored, whatever this one failed of.
      await this.#release(id, digest, [...new Set([...stored, ...storedBefore(error)])])
      throw error
    }
    // The push is stored; that its id could not be remembered must not make it fail.
    await this.#ids.settle(id, digest, remembered(receipt), REMEMBER_IDS).catch(this.#settings.onFailure)
    return receipt
  }

  /** Frees the id for another attempt. Where the store is away for this too, the claim lapses by itself. */
  async #release(id: PushId, digest: string, stored: readonly NodeId[]): Promise<void> {
    await this.#ids.release(id, digest, stored, REMEMBER_IDS).catch(() => {})
  }

  #newId(): PushId {
    return countedPushId(this.#publisher, this.#nextId++)
  }
}

/** One push, and its receipt. There may be very many at once: it makes nothing that most of them do not need. */
class PushDispatch implements Dispatch<ParsedTarget> {
  readonly receipt: Promise<Receipt>
  readonly skip: readonly NodeId[] | undefined
  readonly #id: PushId
  readonly #push: ParsedPush
  readonly #backpressure: Backpressure
  readonly #held: number
  readonly #onFailure: OnFailure
  readonly #isNamed: boolean
  #resolve!: (receipt: Receipt) => void
  #reject!: (error: unknown) => void

  /**
   * @param held bytes of the backpressure's room that it gives back once it is settled
   * @param claim what came of claiming its id, where the caller gave it one
   */
  constructor(
    id: PushId,
    push: ParsedPush,
    backpressure: Backpressure,
    held: number,
    onFailure: OnFailure,
    claim?: { readonly stored: readonly NodeId[] },
  ) {
    this.#id = id
    this.#push = push
    this.#backpressure = backpressure
    this.#held = held
    this.#onFailure = onFailure
    this.skip = claim?.stored
    this.#isNamed = claim !== undefined
    this.receipt = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get target(): ParsedTarget {
    return this.#push.target
  }

  make(to: Address): PushEnvelope {
    const { payload, except, key } = this.#push
    const push = { type: 'push' as const, id: this.#id, to, payload, except, key, hops: 0, resent: false }
    return this.#isNamed ? { ...push, named: true } : push
  }

  done(nodeCount: number, offline: readonly string[]): void {
    this.#backpressure.leave(this.#held)
    this.#resolve({ id: this.#isNamed ? shownPushId(this.#id) : this.#id, nodeCount, offline })
  }

  failed(error: unknown): void {
    this.#backpressure.leave(this.#held)
    this.#onFailure(error)
    // Told here, it may go unheard by who pushed.
    this.receipt.catch(() => {})
    this.#reject(error)
  }
}

type OnFailure = (error: unknown) => void

const toldElsewhere: OnFailure = () => {}

/** What the next push with the same id is answered. */
function remembered(receipt: Receipt): Receipt {
  const { length } = receipt.offline
  return length <= REMEMBER_OFFLINE ? receipt : { ...receipt, offline: [], offlineCount: length }
}

function storedBefore(error: unknown): readonly NodeId[] {
  if (!(error instanceof FlotillaError)) return []
  return (error.details?.['stored'] as readonly NodeId[] | undefined) ?? []
}

/**
 * Of two pushes that say the same: JSON may be spelled in several ways, and one node may have got it as an object. What
 * older nodes wrote is the same, except for JSON that they altered on its way.
 */
function digestOf({ target, payload, except, key }: ParsedPush): string {
  // Without a key it is what nodes wrote that knew of none.
  const keys = key === undefined ? [] : [key]
  const hash = createHash('sha1').update(JSON.stringify([target, payload.kind === 'bytes', except ?? null, ...keys]))
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
