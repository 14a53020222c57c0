import type { State } from '../drivers/state.ts'
import type { PushEnvelope, UserRef } from '../protocol/envelope.ts'
import type { NodeId, Uid } from '../protocol/ids.ts'
import type { Dispatcher } from '../push/dispatcher.ts'
import type { Hub } from '../sockets/hub.ts'

interface ForwarderInit {
  readonly hub: Hub
  readonly state: State
  readonly dispatcher: () => Dispatcher
  /** The node that this process runs as now. */
  readonly node: () => NodeId
}

/** ms: a lot of pushes waits so long for the one before it. What a slow store or a full inbox holds up holds up no others. */
const PATIENCE = 50

type Pursued = readonly [UserRef, Pursuit]

/** A push on its way after users. */
interface Forward {
  readonly push: PushEnvelope
  readonly pursued: readonly Pursued[]
  /** They are here as well, by another connection: if they are nowhere else, nothing waits for them. */
  readonly isExtra: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** All that is sent after one user in one lot. */
class Pursuit {
  readonly lot: number
  /** Resolves once all of it was tried. */
  readonly tried: Promise<void>
  /** What was sent after the same user in an earlier lot, and may still be under way. */
  readonly before: Promise<void> | undefined
  /** How much of it is not tried yet. */
  count = 0
  resolve!: () => void

  constructor(lot: number, before: Promise<void> | undefined) {
    this.lot = lot
    this.before = before
    this.tried = new Promise((resolve) => (this.resolve = resolve))
  }
}

/**
 * Sends pushes after users who have left this node: to where they are now, and only to connections younger than the push's
 * lookup; for users who are nowhere it is parked. What comes while one lot is under way goes together as the next, in
 * order, so that thousands who leave at once cost as many round trips as one. Nothing waits for what is held up but what
 * is pushed to the same users.
 */
export class Forwarder {
  readonly #init: ForwarderInit
  #waiting: Forward[] = []
  /** The number of the lot that is gathered now. */
  #lot = 0
  #isRunning = false
  /** The last pursuit of each user. */
  readonly #pursuits = new Map<Uid, Pursuit>()

  constructor(init: ForwarderInit) {
    this.#init = init
  }

  /** Resolves once it is stored, or parked. Rejects if the store did not take it. */
  forward(push: PushEnvelope, users: readonly UserRef[], { isExtra = false } = {}): Promise<void> {
    const pursued = users.map((user): Pursued => [user, this.#pursue(user.uid)])
    if (!this.#isRunning) {
      this.#isRunning = true
      // In the next turn: by then nobody finds a connection here that has just closed.
      setImmediate(() => void this.#run())
    }
    return new Promise((resolve, reject) => void this.#waiting.push({ push, pursued, isExtra, resolve, reject }))
  }

  /** Resolves once what is being sent after a user has been tried: what is pushed to them later must not overtake it. */
  tried(uid: Uid): Promise<void> | undefined {
    return this.#pursuits.size === 0 ? undefined : this.#pursuits.get(uid)?.tried
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const forwards = this.#waiting
      this.#waiting = []
      this.#lot++
      const repaired = this.#repairRoutes(forwards)
      await atMost(PATIENCE, Promise.all(forwards.map((each) => this.#send(each, repaired))))
    }
    this.#isRunning = false
  }

  /** Users to whom something earlier is under way wait for that, each by themselves. */
  async #send(forward: Forward, repaired: Promise<void>): Promise<void> {
    const isFree = ([, { before }]: Pursued): boolean => before === undefined
    const free = forward.pursued.filter(isFree)
    const held = forward.pursued.filter((pursued) => !isFree(pursued))
    const outcomes = await Promise.allSettled([
      this.#sendTo(free, forward, repaired),
      ...held.map((pursued) => this.#sendTo([pursued], forward, pursued[1].before!)),
    ])
    const failed = outcomes.find(({ status }) => status === 'rejected')
    if (failed === undefined) forward.resolve()
    else forward.reject((failed as PromiseRejectedResult).reason)
  }

  async #sendTo(pursued: readonly Pursued[], { push, isExtra }: Forward, after: Promise<void>): Promise<void> {
    try {
      await after
      const users = pursued.map(([user]) => user)
      if (users.length > 0) await (isExtra ? this.#sendElsewhere(push, users) : this.#sendAfter(push, users))
    } finally {
      for (const [{ uid }, pursuit] of pursued) this.#leave(uid, pursuit)
    }
  }

  /** State may still name this node for users who left it long ago: whoever pushes to them would send it here again. */
  async #repairRoutes(forwards: readonly Forward[]): Promise<void> {
    const { hub, state, node } = this.#init
    const stale = new Set<Uid>()
    for (const { pursued } of forwards) {
      for (const [user] of pursued) if (hub.ofUser(user.uid).size === 0 && !hub.hasLeftSince(user)) stale.add(user.uid)
    }
    if (stale.size > 0) await state.unroute(node(), [...stale])
  }

  async #sendElsewhere(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    await this.#init.dispatcher().resendToStragglers(addressed(push, users), this.#init.node())
  }

  async #sendAfter(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    const [here, gone] = [users.filter((user) => this.#isBack(user)), users.filter((user) => !this.#isBack(user))]
    const { dispatcher, node } = this.#init
    // Who is not here any more must not be looked for here, whatever State says by now.
    await Promise.all([
      gone.length > 0 && dispatcher().resend(addressed(push, gone), node()),
      here.length > 0 && dispatcher().resend(addressed(push, here), undefined),
    ])
  }

  /** Whether a connection of the user is here that would take what is sent again. */
  #isBack({ uid, stamp }: UserRef): boolean {
    for (const { isGoing, uidStamp } of this.#init.hub.ofUser(uid)) if (!isGoing && uidStamp > stamp) return true
    return false
  }

  #pursue(uid: Uid): Pursuit {
    const last = this.#pursuits.get(uid)
    const pursuit = last?.lot === this.#lot ? last : new Pursuit(this.#lot, last?.tried)
    this.#pursuits.set(uid, pursuit)
    pursuit.count++
    return pursuit
  }

  #leave(uid: Uid, pursuit: Pursuit): void {
    if (--pursuit.count > 0) return
    if (this.#pursuits.get(uid) === pursuit) this.#pursuits.delete(uid)
    pursuit.resolve()
  }
}

/** Resolves with the work, or after so many ms without it. */
async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([work, late])
  clearTimeout(timer)
}

function addressed(push: PushEnvelope, users: readonly UserRef[]): PushEnvelope {
  return { ...push, to: { type: 'users', users } }
}
