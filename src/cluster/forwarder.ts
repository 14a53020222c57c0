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

/** A push on its way after users. */
interface Forward {
  readonly push: PushEnvelope
  readonly users: readonly UserRef[]
  /** They are here as well, by another connection: if they are nowhere else, nothing waits for them. */
  readonly isExtra: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Sends pushes after users who have left this node: to where they are now, and only to connections younger than the push's
 * lookup; for users who are nowhere it is parked. What comes while one lot is under way goes together as the next, in
 * order, so that thousands who leave at once cost as many round trips as one. Nothing else waits for that but what is
 * pushed to the same users.
 */
export class Forwarder {
  readonly #init: ForwarderInit
  #waiting: Forward[] = []
  #isRunning = false
  /** Users whom something is being sent after, with how many, and who waits until it has been tried. */
  readonly #pursued = new Map<Uid, { count: number; readonly tried: Promise<void>; readonly resolve: () => void }>()

  constructor(init: ForwarderInit) {
    this.#init = init
  }

  /** Resolves once it is stored, or parked. Rejects if the store did not take it. */
  forward(push: PushEnvelope, users: readonly UserRef[], { isExtra = false } = {}): Promise<void> {
    for (const { uid } of users) this.#pursue(uid)
    if (!this.#isRunning) {
      this.#isRunning = true
      // In the next turn: by then nobody finds a connection here that has just closed.
      setImmediate(() => void this.#run())
    }
    return new Promise((resolve, reject) => void this.#waiting.push({ push, users, isExtra, resolve, reject }))
  }

  /** Resolves once what is being sent after a user has been tried: what is pushed to them later must not overtake it. */
  tried(uid: Uid): Promise<void> | undefined {
    return this.#pursued.size === 0 ? undefined : this.#pursued.get(uid)?.tried
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const forwards = this.#waiting
      this.#waiting = []
      const repaired = this.#repairRoutes(forwards)
      await Promise.all(forwards.map((each) => this.#send(each, repaired)))
    }
    this.#isRunning = false
  }

  async #send({ push, users, isExtra, resolve, reject }: Forward, repaired: Promise<void>): Promise<void> {
    try {
      await repaired
      await (isExtra ? this.#sendElsewhere(push, users) : this.#sendAfter(push, users))
      resolve()
    } catch (error) {
      reject(error)
    } finally {
      for (const { uid } of users) this.#leave(uid)
    }
  }

  /** State may still name this node for users who left it long ago: whoever pushes to them would send it here again. */
  async #repairRoutes(forwards: readonly Forward[]): Promise<void> {
    const { hub, state, node } = this.#init
    const stale = new Set<Uid>()
    for (const { users } of forwards) {
      for (const user of users) if (hub.ofUser(user.uid).size === 0 && !hub.hasLeftSince(user)) stale.add(user.uid)
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

  #pursue(uid: Uid): void {
    const known = this.#pursued.get(uid)
    if (known !== undefined) {
      known.count++
      return
    }
    let resolve!: () => void
    const tried = new Promise<void>((done) => (resolve = done))
    this.#pursued.set(uid, { count: 1, tried, resolve })
  }

  #leave(uid: Uid): void {
    const pursued = this.#pursued.get(uid)
    if (pursued === undefined || --pursued.count > 0) return
    this.#pursued.delete(uid)
    pursued.resolve()
  }
}

function addressed(push: PushEnvelope, users: readonly UserRef[]): PushEnvelope {
  return { ...push, to: { type: 'users', users } }
}
