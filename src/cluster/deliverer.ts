import type { Logger } from '../logger.ts'
import type { PushEnvelope, UserRef } from '../protocol/envelope.ts'
import type { Handover } from '../sockets/handover.ts'
import type { Hub } from '../sockets/hub.ts'
import type { Forwarder } from './forwarder.ts'

const RETRY_PAUSE = 500

/** Sends a push after users; resolves once that is stored. */
type SendAfter = (push: PushEnvelope, users: readonly UserRef[], options?: { isExtra: boolean }) => Promise<void>

/** Delivers pushes to this node's connections, and has them sent after those who have moved on. */
export class Deliverer {
  readonly #hub: Hub
  readonly #forwarder: Forwarder
  readonly #logger: Logger
  #deliveredCount = 0
  #closed = false

  constructor(hub: Hub, forwarder: Forwarder, logger: Logger) {
    this.#logger = logger
    this.#hub = hub
    this.#forwarder = forwarder
  }

  /** How many connections were handed a message. */
  get deliveredCount(): number {
    return this.#deliveredCount
  }

  /** A promise where something is left to do once it has been handed to those who are here; it rejects where that fails. */
  deliver(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#deliver(push, handover, this.#sendAfter)
  }

  /**
   * The same for what its publisher believes stored: it is sent after its users until that is stored, however long the
   * store, or the inbox that it is for, does not take it.
   */
  deliverStored(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#deliver(push, handover, this.#persist)
  }

  /** Sends what a connection has left behind to the same user's younger ones, here or wherever they are, or parks it. */
  sendOn(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    return this.#sendAfter(push, users)
  }

  close(): void {
    this.#closed = true
  }

  #deliver(push: PushEnvelope, handover: Handover, sendAfter: SendAfter): Promise<void> | undefined {
    const held = this.#heldUsers(push)
    if (held === undefined) return this.#hand(push, handover, sendAfter)
    const { users, later } = held
    const works = later.map(([user, tried]) => {
      return tried.then(() => this.#deliver({ ...push, to: { type: 'users', users: [user] } }, handover, sendAfter))
    })
    const now =
      users.length === 0 ? undefined : this.#hand({ ...push, to: { type: 'users', users } }, handover, sendAfter)
    return allOf([now, ...works])
  }

  /** A first copy to a user waits for what is being sent after them; nothing else does. */
  #heldUsers({
    to,
    resent,
  }: PushEnvelope): { users: UserRef[]; later: (readonly [UserRef, Promise<void>])[] } | undefined {
    if (resent || to.type !== 'users') return undefined
    const later = to.users.flatMap((user) => {
      const tried = this.#forwarder.tried(user.uid)
      return tried === undefined ? [] : [[user, tried] as const]
    })
    if (later.length === 0) return undefined
    const held = new Set(later.map(([user]) => user))
    return { users: to.users.filter((user) => !held.has(user)), later }
  }

  #hand(push: PushEnvelope, handover: Handover, sendAfter: SendAfter): Promise<void> | undefined {
    const { deliveredCount, gone, left } = this.#hub.deliver(push, handover)
    this.#deliveredCount += deliveredCount
    if (gone === undefined && left === undefined) return undefined
    return allOf([gone && sendAfter(push, gone), left && sendAfter(push, left, { isExtra: true })])
  }

  readonly #sendAfter: SendAfter = (push, users, options) => this.#forwarder.forward(push, users, options)

  /** Resolves once an attempt has succeeded; never rejects. */
  readonly #persist: SendAfter = (push, users, options) => {
    // One after another, each would wait for a store that is away, and the end of this node with them.
    if (this.#closed) return leftInInbox()
    const attempt = (): Promise<void> => this.#sendAfter(push, users, options)
    return attempt().catch((error: unknown) => this.#tryAgain(attempt, error))
  }

  async #tryAgain(attempt: () => Promise<void>, error: unknown): Promise<void> {
    this.#logger.warn({ error }, 'a push could not be sent after its users; it will be again')
    while (!this.#closed) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      if (await attempt().then(yes, no)) return
    }
    await leftInInbox()
  }
}

/** Never done, so never acked: it stays there for whoever takes the inbox over. */
const leftInInbox = (): Promise<void> => new Promise(() => {})

const yes = (): boolean => true
const no = (): boolean => false

function allOf(works: readonly (Promise<void> | undefined)[]): Promise<void> | undefined {
  const real = works.filter((work) => work !== undefined)
  if (real.length <= 1) return real[0]
  return Promise.all(real).then(() => {})
}
