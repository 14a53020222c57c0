import { setTimeout as sleep } from 'node:timers/promises'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import type { Logger } from '../logger.ts'
import type { Handover } from '../outbound/handover.ts'
import type { FinalBroadcasts } from './final-broadcasts.ts'
import type { Forwarder } from './forwarder.ts'
import type { HeldUsers } from './held-users.ts'
import type { Hub } from './hub.ts'

const RETRY_PAUSE = 500

/** Sends a push after users; resolves once that is stored. */
type SendAfter = (push: PushEnvelope, users: readonly UserRef[], options?: { isAlsoHere: boolean }) => Promise<void>

/** Delivers pushes to this node's connections, and has them sent after those who have moved on. */
export class Deliverer {
  readonly #hub: Hub
  readonly #forwarder: Forwarder
  readonly #heldUsers: HeldUsers
  readonly #logger: Logger
  /** Of users for whom first copies wait, the last of these. */
  readonly #lines = new Map<Uid, Promise<void>>()
  #deliveredCount = 0
  #finalBroadcasts: FinalBroadcasts | undefined
  #closed = false

  constructor(hub: Hub, forwarder: Forwarder, heldUsers: HeldUsers, logger: Logger) {
    this.#heldUsers = heldUsers
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
    // A copy that this node has sent on comes back here: what is parked waits for it, and not the other way round.
    return push.resent
      ? this.#hand(push, handover, this.#sendAfter)
      : this.#handInOrder(push, handover, this.#sendAfter)
  }

  /**
   * The same for what its publisher believes stored: it is sent after its users until that is stored, however long the
   * store, or the inbox that it is for, does not take it.
   */
  deliverStored(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#handInOrder(push, handover, this.#persist)
  }

  /** The same for what was parked. */
  handOut(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#hand(push, handover, this.#persist)
  }

  /** Sends what a connection has left behind to the same user's younger ones, here or wherever they are, or parks it. */
  sendOn(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    return this.#sendAfter(push, users)
  }

  /** From now on what comes for everyone is also sent after those who were here. */
  forwardFinal(finalBroadcasts: FinalBroadcasts): void {
    this.#finalBroadcasts = finalBroadcasts
  }

  close(): void {
    this.#closed = true
  }

  /** Users wait, each by themselves, for what must reach them before. */
  #handInOrder(push: PushEnvelope, handover: Handover, sendAfter: SendAfter): Promise<void> | undefined {
    if (push.to.type !== 'users') return this.#hand(push, handover, sendAfter)
    const tasks: (Promise<void> | undefined)[] = []
    const free = push.to.users.filter((user) => {
      if (this.#isFree(user.uid, push)) return true
      const alone: PushEnvelope = { ...push, to: { type: 'users', users: [user] } }
      tasks.push(
        push.resent
          ? this.#heldUsers.released(user.uid)!.then(() => this.#handInOrder(alone, handover, sendAfter))
          : this.#handInLine(alone, user.uid, handover, sendAfter),
      )
      return false
    })
    if (tasks.length === 0) return this.#hand(push, handover, sendAfter)
    if (free.length > 0) tasks.push(this.#hand({ ...push, to: { type: 'users', users: free } }, handover, sendAfter))
    return allOf(tasks)
  }

  /** Whether nothing must reach a user before: a copy of what was sent before waits only for what is parked. */
  #isFree(uid: Uid, { resent }: PushEnvelope): boolean {
    if (resent) return this.#heldUsers.released(uid) === undefined
    const hasLine = this.#lines.size > 0 && this.#lines.has(uid)
    return !hasLine && this.#earlierTo(uid) === undefined
  }

  /** First copies wait one behind another, whatever each of them waits for. */
  async #handInLine(push: PushEnvelope, uid: Uid, handover: Handover, sendAfter: SendAfter): Promise<void> {
    const before = this.#lines.get(uid)
    let leave!: () => void
    const line = new Promise<void>((resolve) => (leave = resolve))
    this.#lines.set(uid, line)
    await before
    // Invariant D6: a push on its way after this user is not overtaken.
    for (let earlier = this.#earlierTo(uid); earlier !== undefined; earlier = this.#earlierTo(uid)) await earlier
    let task: Promise<void> | undefined
    try {
      task = this.#hand(push, handover, sendAfter)
    } finally {
      if (this.#lines.get(uid) === line) this.#lines.delete(uid)
      leave()
    }
    await task
  }

  /** Resolves once a user has been handed what is parked, or what is being sent after them was tried. */
  #earlierTo(uid: Uid): Promise<void> | undefined {
    return this.#heldUsers.released(uid) ?? this.#forwarder.tried(uid)
  }

  #hand(push: PushEnvelope, handover: Handover, sendAfter: SendAfter): Promise<void> | undefined {
    const { deliveredCount, gone, partlyGone } = this.#hub.deliver(push, handover)
    this.#deliveredCount += deliveredCount
    if (push.to.type === 'all') return this.#forwardBroadcast(push, handover)
    if (gone === undefined && partlyGone === undefined) return undefined
    return allOf([gone && sendAfter(push, gone), partlyGone && sendAfter(push, partlyGone, { isAlsoHere: true })])
  }

  /** Of what could not be sent, those have it who are connected elsewhere when it comes once more. */
  #forwardBroadcast(push: PushEnvelope, { offset }: Handover): Promise<void> | undefined {
    const users = this.#finalBroadcasts?.owedTo(push, offset) ?? []
    if (users.length === 0) return undefined
    return this.#sendAfter({ ...push, broadcast: offset }, users).catch(leftInInbox)
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
      await sleep(RETRY_PAUSE)
      if (await attempt().then(yes, no)) return
    }
    await leftInInbox()
  }
}

/** Never done, so never acked: it stays there for whoever takes the inbox over. */
const leftInInbox = (): Promise<void> => new Promise(() => {})

const yes = (): boolean => true
const no = (): boolean => false

function allOf(tasks: readonly (Promise<void> | undefined)[]): Promise<void> | undefined {
  const real = tasks.filter((task) => task !== undefined)
  if (real.length <= 1) return real[0]
  return Promise.all(real).then(() => {})
}
