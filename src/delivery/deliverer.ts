import { setTimeout as sleep } from 'node:timers/promises'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import type { Logger } from '../logger.ts'
import type { Handover } from '../outbound/handover.ts'
import { FanOut } from './fan-out.ts'
import type { FinalBroadcasts } from './final-broadcasts.ts'
import type { Forwarder } from './forwarder.ts'
import type { HeldUsers } from './held-users.ts'
import type { Hub } from './hub.ts'

const RETRY_PAUSE = 500

/** Forwards a push to users; resolves once it is stored. */
type Forward = (push: PushEnvelope, users: readonly UserRef[], options?: { isAlsoHere: boolean }) => Promise<void>

/** Delivers pushes to this node's connections, and has them forwarded to users who have moved to another node. */
export class Deliverer {
  readonly #fanOut: FanOut
  readonly #forwarder: Forwarder
  readonly #heldUsers: HeldUsers
  readonly #logger: Logger
  /** For each user for whom first copies wait in line: the last of that line. */
  readonly #lines = new Map<Uid, Promise<void>>()
  #deliveredCount = 0
  #finalBroadcasts: FinalBroadcasts | undefined
  #closed = false

  constructor(hub: Hub, forwarder: Forwarder, heldUsers: HeldUsers, logger: Logger) {
    this.#heldUsers = heldUsers
    this.#logger = logger
    this.#fanOut = new FanOut(hub)
    this.#forwarder = forwarder
  }

  /** How many connections were handed a message. */
  get deliveredCount(): number {
    return this.#deliveredCount
  }

  /**
   * Delivers a push that its publisher does not yet count as stored. Returns a promise if something remains to be done,
   * such as forwarding; it rejects if the push cannot be forwarded.
   */
  deliver(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    // This node may have forwarded the copy to itself: what is parked waits for it, so it must not wait in turn.
    return push.resent
      ? this.#hand(push, handover, this.#forwardOnce)
      : this.#handInOrder(push, handover, this.#forwardOnce)
  }

  /**
   * Delivers a push that was already reported as stored. It goes on forwarding until that succeeds, however long the
   * store is away or the other inbox is full.
   */
  deliverStored(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#handInOrder(push, handover, this.#forwardUntilStored)
  }

  /** Delivers a push that was parked: like `deliverStored`, but without waiting for earlier pushes. */
  handOut(push: PushEnvelope, handover: Handover): Promise<void> | undefined {
    return this.#hand(push, handover, this.#forwardUntilStored)
  }

  /** Forwards what a closed connection had not taken to its user's younger connections on any node, or parks it. */
  forwardLeftover(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    return this.#forwardOnce(push, users)
  }

  /** From now on broadcasts are also forwarded to the users who were here. */
  forwardBroadcasts(finalBroadcasts: FinalBroadcasts): void {
    this.#finalBroadcasts = finalBroadcasts
  }

  close(): void {
    this.#closed = true
  }

  /** Each user waits, independently of the others, until what came earlier for that user has been handed over. */
  #handInOrder(push: PushEnvelope, handover: Handover, forward: Forward): Promise<void> | undefined {
    if (push.to.type !== 'users') return this.#hand(push, handover, forward)
    const tasks: (Promise<void> | undefined)[] = []
    const free = push.to.users.filter((user) => {
      if (this.#isFree(user.uid, push)) return true
      const alone: PushEnvelope = { ...push, to: { type: 'users', users: [user] } }
      tasks.push(
        push.resent
          ? this.#heldUsers.released(user.uid)!.then(() => this.#handInOrder(alone, handover, forward))
          : this.#handInLine(alone, user.uid, handover, forward),
      )
      return false
    })
    if (tasks.length === 0) return this.#hand(push, handover, forward)
    if (free.length > 0) tasks.push(this.#hand({ ...push, to: { type: 'users', users: free } }, handover, forward))
    return allOf(tasks)
  }

  /** Whether nothing must reach the user first. A re-sent copy waits only for what is parked. */
  #isFree(uid: Uid, { resent }: PushEnvelope): boolean {
    if (resent) return this.#heldUsers.released(uid) === undefined
    const hasLine = this.#lines.size > 0 && this.#lines.has(uid)
    return !hasLine && this.#earlierTo(uid) === undefined
  }

  /** First copies for one user wait in line, whatever each of them waits for. */
  async #handInLine(push: PushEnvelope, uid: Uid, handover: Handover, forward: Forward): Promise<void> {
    const before = this.#lines.get(uid)
    let leave!: () => void
    const line = new Promise<void>((resolve) => (leave = resolve))
    this.#lines.set(uid, line)
    await before
    // Invariant D6: a push on its way after this user is not overtaken.
    for (let earlier = this.#earlierTo(uid); earlier !== undefined; earlier = this.#earlierTo(uid)) await earlier
    let task: Promise<void> | undefined
    try {
      task = this.#hand(push, handover, forward)
    } finally {
      if (this.#lines.get(uid) === line) this.#lines.delete(uid)
      leave()
    }
    await task
  }

  /** Resolves once the user has been handed what is parked, or once forwarding to the user has been tried. */
  #earlierTo(uid: Uid): Promise<void> | undefined {
    return this.#heldUsers.released(uid) ?? this.#forwarder.tried(uid)
  }

  #hand(push: PushEnvelope, handover: Handover, forward: Forward): Promise<void> | undefined {
    const { deliveredCount, gone, partlyGone } = this.#fanOut.deliver(push, handover)
    this.#deliveredCount += deliveredCount
    if (push.to.type === 'all') return this.#forwardBroadcast(push, handover)
    if (gone === undefined && partlyGone === undefined) return undefined
    return allOf([gone && forward(push, gone), partlyGone && forward(push, partlyGone, { isAlsoHere: true })])
  }

  /** A broadcast that cannot be forwarded stays unacked, so it is replayed to users who have connected elsewhere. */
  #forwardBroadcast(push: PushEnvelope, { offset }: Handover): Promise<void> | undefined {
    const users = this.#finalBroadcasts?.owedTo(push, offset) ?? []
    if (users.length === 0) return undefined
    return this.#forwardOnce({ ...push, broadcast: offset }, users).catch(leftInInbox)
  }

  readonly #forwardOnce: Forward = (push, users, options) => this.#forwarder.forward(push, users, options)

  /** Forwards again until that succeeds; never rejects. */
  readonly #forwardUntilStored: Forward = (push, users, options) => {
    // If the store is away, each attempt would wait for it, one after another, and so would the end of this node.
    if (this.#closed) return leftInInbox()
    const attempt = (): Promise<void> => this.#forwardOnce(push, users, options)
    return attempt().catch((error: unknown) => this.#tryAgain(attempt, error))
  }

  async #tryAgain(attempt: () => Promise<void>, error: unknown): Promise<void> {
    this.#logger.warn({ error }, 'a push could not be forwarded to its users: trying again')
    while (!this.#closed) {
      await sleep(RETRY_PAUSE)
      if (await attempt().then(yes, no)) return
    }
    await leftInInbox()
  }
}

/** Never resolves, so the entry is never acked: it stays in the inbox for the node that takes it over. */
const leftInInbox = (): Promise<void> => new Promise(() => {})

const yes = (): boolean => true
const no = (): boolean => false

function allOf(tasks: readonly (Promise<void> | undefined)[]): Promise<void> | undefined {
  const real = tasks.filter((task) => task !== undefined)
  if (real.length <= 1) return real[0]
  return Promise.all(real).then(() => {})
}
