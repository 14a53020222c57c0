import type { Message, Many, Pusher as PusherApi, PushOptions, Receipt, Target } from '../api.ts'
import type { PushIds } from '../drivers/push-ids.ts'
import { callersPushId, countedPushId, entryPushId, type PushId } from '../envelope/ids.ts'
import { bytesOf, encodePayload, isPayloadWithin, type Payload, sizeOfPayload } from '../envelope/payload.ts'
import { parseExcept, parsePushId, parsePushKey, parseTarget } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { checkNames } from '../lib/checked-names.ts'
import { Backpressure } from './backpressure.ts'
import type { Dispatcher } from './dispatcher.ts'
import { parseHold } from './holder.ts'
import { NamedPushes } from './named-pushes.ts'
import type { PushCall } from './push-body.ts'
import { type OnFailure, type ParsedPush, PushDispatch, toldElsewhere } from './push-dispatch.ts'
import { pushSize } from './sizes.ts'

const NO_OPTIONS: PushOptions = Object.freeze({})
const PUSH_OPTIONS = ['except', 'id', 'key', 'hold'] as const satisfies readonly (keyof PushOptions)[]

interface PusherSettings {
  readonly maxPayload: number
  readonly storeWait: number
  readonly maxWaitingBytes: number
  /** Called for every push that failed. Its caller hears of it too, if it awaits the push. */
  readonly onFailure: OnFailure
}

/** The push API: checks what it is given, encodes it once, and hands it to the dispatcher. */
export class Pusher implements PusherApi {
  readonly backpressure: Backpressure
  readonly #dispatcher: Dispatcher
  readonly #publisher: string
  readonly #settings: PusherSettings
  readonly #named: NamedPushes
  #count = 0
  #nextId = 0
  #closed = false

  constructor(dispatcher: Dispatcher, ids: PushIds, publisher: string, settings: PusherSettings) {
    this.#dispatcher = dispatcher
    this.#publisher = publisher
    this.#settings = settings
    const backpressure = new Backpressure(settings.maxWaitingBytes, settings.storeWait)
    this.backpressure = backpressure
    this.#named = new NamedPushes({ dispatcher, ids, backpressure, ...settings })
  }

  /** The number of pushes so far. */
  get count(): number {
    return this.#count
  }

  /** Takes no further pushes. Resolves once every push is stored or has failed; each takes a bounded time, by `storeWait`. */
  async close(): Promise<void> {
    this.#closed = true
    await this.backpressure.idle()
    await this.#dispatcher.idle()
  }

  push(target: Target, message: Message, options: PushOptions = NO_OPTIONS): Promise<Receipt> {
    return this.#take(target, message, options, undefined)
  }

  /** An entry of the ingress stream is one push, however often it is read. Its id is the caller's, if the entry has one. */
  pushEntry(position: string, { target, message, options }: PushCall): Promise<Receipt> {
    return this.#take(target, message, options, entryPushId(position))
  }

  #take(target: Target, message: Message, options: PushOptions, otherwise: PushId | undefined): Promise<Receipt> {
    this.#count++
    try {
      // Otherwise close would wait for ever if pushes keep coming.
      if (this.#closed) throw new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
      if (options !== NO_OPTIONS) checkNames('push', options, PUSH_OPTIONS)
      const { except, key, hold } = options
      const id = options.id === undefined ? otherwise : callersPushId(parsePushId(options.id))
      const parsed = parseTarget(target)
      const push = {
        target: parsed,
        payload: this.#encode(message),
        except: parseExcept(except),
        key: key === undefined ? undefined : parsePushKey(key),
        hold: hold === undefined ? undefined : parseHold(hold, parsed),
      }
      return id === undefined ? this.#pushNew(push) : this.#told(this.#named.push(id, push))
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
    // The caller may reuse its buffer before the bytes are sent.
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
    const id = countedPushId(this.#publisher, this.#nextId++)
    const dispatch = new PushDispatch(id, push, this.backpressure, size, onFailure)
    this.#dispatcher.dispatch(dispatch)
    return dispatch.receipt
  }

  /** A push that nobody awaits must not end the process, so its failure is told here. Whoever awaits it hears it as well. */
  #told(receipt: Promise<Receipt>): Promise<Receipt> {
    receipt.catch(this.#settings.onFailure)
    return receipt
  }
}
