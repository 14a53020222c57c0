import type { Routes } from '../drivers/routes.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, PushId, Uid } from '../envelope/ids.ts'
import { atMost } from '../lib/deadline.ts'
import type { Dispatcher } from '../push/dispatcher.ts'
import type { Hub } from './hub.ts'

interface ForwarderInit {
  readonly hub: Hub
  readonly state: Routes
  readonly dispatcher: Dispatcher
  /** The node that this process runs as now. */
  readonly node: () => NodeId
}

/** ms: a round waits so long for the one before it. What a slow store or a full inbox holds up must hold up no others. */
const PATIENCE = 50

/** A push on its way after users. */
interface Forward {
  readonly push: PushEnvelope
  /** They are here as well, by another connection: if they are nowhere else, nothing waits for them. */
  readonly isAlsoHere: boolean
  /** For how many users it is not settled. */
  remaining: number
  failure: { readonly error: unknown } | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What goes of one push at a time, or waits. */
interface Part {
  readonly forward: Forward
  readonly users: readonly UserRef[]
}

/**
 * Sends pushes after users who have left this node: to where they are now, and only to connections younger than the push's
 * lookup; for users who are nowhere it is parked. What comes while one round is under way goes together as the next, in
 * order, so that thousands who leave at once cost as many round trips as one. What is held up makes nothing wait but what
 * is for the same users.
 */
export class Forwarder {
  readonly #init: ForwarderInit
  #waiting: Part[] = []
  #isRunning = false
  /** Something that was under way has ended. */
  #wake = (): void => {}
  /** Users to whom something is under way, with what. */
  readonly #busy = new Map<Uid, Set<PushId>>()
  /** The same with what waits, and who waits until all of it has been tried. */
  readonly #untried = new Map<Uid, { count: number; readonly tried: Promise<void>; readonly resolve: () => void }>()

  constructor(init: ForwarderInit) {
    this.#init = init
  }

  /** Resolves once it is stored, or parked. Rejects if the store did not take it. */
  forward(push: PushEnvelope, users: readonly UserRef[], { isAlsoHere = false } = {}): Promise<void> {
    for (const { uid } of users) this.#countUntried(uid)
    if (!this.#isRunning) {
      this.#isRunning = true
      // In the next turn: by then nobody finds a connection here that has just closed.
      setImmediate(() => void this.#run())
    }
    return new Promise((resolve, reject) => {
      const forward = { push, isAlsoHere, remaining: users.length, failure: undefined, resolve, reject }
      this.#waiting.push({ forward, users })
    })
  }

  /** Resolves once what is being sent after a user has been tried: what is pushed to them later must not overtake it. */
  tried(uid: Uid): Promise<void> | undefined {
    return this.#untried.size === 0 ? undefined : this.#untried.get(uid)?.tried
  }

  /** Resolves once all that is on its way now has been tried. */
  async idle(): Promise<void> {
    await Promise.all(Array.from(this.#untried.values(), ({ tried }) => tried))
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Invariant D6: one user whose push is held up makes nobody else wait.
      const round = this.#takeFree()
      const repaired = this.#repairRoutes(round)
      const sent = round.map((part) => this.#send(part, repaired))
      await atMost(PATIENCE, round.length > 0 ? Promise.all(sent) : new Promise<void>((wake) => (this.#wake = wake)))
    }
    this.#isRunning = false
  }

  /**
   * All that waits, but what is for users to whom something is under way. Where that is the same push it does not wait: it was
   * handed to a connection here that was just going, and who sends it waits for this.
   */
  #takeFree(): Part[] {
    const round: Part[] = []
    const rest: Part[] = []
    const held = new Set<Uid>()
    for (const part of this.#waiting) {
      const { id } = part.forward.push
      const isFree = ({ uid }: UserRef): boolean => {
        const underWay = this.#busy.get(uid)
        return underWay === undefined ? !held.has(uid) : underWay.has(id)
      }
      const free = this.#busy.size === 0 ? part.users : part.users.filter(isFree)
      if (free.length > 0) round.push({ ...part, users: free })
      if (free.length === part.users.length) continue
      const others = part.users.filter((user) => !isFree(user))
      for (const { uid } of others) held.add(uid)
      rest.push({ ...part, users: others })
    }
    for (const { forward, users } of round) {
      for (const { uid } of users) {
        const underWay = this.#busy.get(uid)
        if (underWay === undefined) this.#busy.set(uid, new Set([forward.push.id]))
        else underWay.add(forward.push.id)
      }
    }
    this.#waiting = rest
    return round
  }

  /** Never rejects. */
  async #send({ forward, users }: Part, repaired: Promise<void>): Promise<void> {
    const { push, isAlsoHere } = forward
    try {
      await repaired
      await (isAlsoHere ? this.#sendElsewhere(push, users) : this.#sendAfter(push, users))
    } catch (error) {
      forward.failure ??= { error }
    }
    for (const { uid } of users) this.#settle(uid, push.id)
    this.#wake()
    forward.remaining -= users.length
    if (forward.remaining > 0) return
    if (forward.failure === undefined) forward.resolve()
    else forward.reject(forward.failure.error)
  }

  /** State may still name this node for users who left it long ago: whoever pushes to them would send it here again. */
  async #repairRoutes(round: readonly Part[]): Promise<void> {
    const { hub, state, node } = this.#init
    const stale = new Set<Uid>()
    for (const { users } of round) {
      for (const user of users) if (hub.ofUser(user.uid).size === 0 && !hub.hasClosedSince(user)) stale.add(user.uid)
    }
    if (stale.size > 0) await state.unroute(node(), [...stale])
  }

  async #sendElsewhere(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    await this.#init.dispatcher.resendToStragglers(forUsers(push, users), this.#init.node())
  }

  async #sendAfter(push: PushEnvelope, users: readonly UserRef[]): Promise<void> {
    const [here, gone] = [users.filter((user) => this.#isBack(user)), users.filter((user) => !this.#isBack(user))]
    const { dispatcher, node } = this.#init
    // Who is not here any more must not be looked for here, whatever State says by now.
    await Promise.all([
      gone.length > 0 && dispatcher.resend(forUsers(push, gone), node()),
      here.length > 0 && dispatcher.resend(forUsers(push, here), undefined),
    ])
  }

  /** Whether a connection of the user is here that would take what is sent again. */
  #isBack({ uid, stamp }: UserRef): boolean {
    for (const { isGoing, uidStamp } of this.#init.hub.ofUser(uid)) if (!isGoing && uidStamp > stamp) return true
    return false
  }

  #countUntried(uid: Uid): void {
    const known = this.#untried.get(uid)
    if (known !== undefined) {
      known.count++
      return
    }
    let resolve!: () => void
    const tried = new Promise<void>((done) => (resolve = done))
    this.#untried.set(uid, { count: 1, tried, resolve })
  }

  #settle(uid: Uid, id: PushId): void {
    // One that was sent after the user once more has ended before the one that waited for it, which has nothing left to do.
    const underWay = this.#busy.get(uid)
    underWay?.delete(id)
    if (underWay?.size === 0) this.#busy.delete(uid)
    const untried = this.#untried.get(uid)!
    if (--untried.count > 0) return
    this.#untried.delete(uid)
    untried.resolve()
  }
}

function forUsers(push: PushEnvelope, users: readonly UserRef[]): PushEnvelope {
  return { ...push, to: { type: 'users', users } }
}
