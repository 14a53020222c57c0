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

/** ms that a round waits for the one before it: a slow store or a full inbox must not hold up other pushes. */
const PATIENCE = 50

/** A push that is being forwarded. */
interface Forward {
  readonly push: PushEnvelope
  /** The users also have another connection here: if they are on no other node, nothing is parked for them. */
  readonly isAlsoHere: boolean
  /** For how many users forwarding has not ended. */
  remaining: number
  failure: { readonly error: unknown } | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Some of the users of one push: those for whom it is sent in one round, or still waits. */
interface Part {
  readonly forward: Forward
  readonly users: readonly UserRef[]
}

/**
 * Forwards pushes to users who have left this node: to the nodes where they are now, and only to connections younger
 * than the push's lookup. For a user who is nowhere, the push is parked. Pushes that come while one round is under way
 * go together, in order, as the next: thousands of users who leave at once cost as many round trips as one. A push that
 * is held up delays only later pushes to the same users.
 */
export class Forwarder {
  readonly #init: ForwarderInit
  #waiting: Part[] = []
  #isRunning = false
  /** Called when a part that was under way has ended. */
  #wake = (): void => {}
  /** The pushes that are under way to each user. */
  readonly #busy = new Map<Uid, Set<PushId>>()
  /** How many pushes to each user are under way or waiting, and a promise that all of them have been tried. */
  readonly #untried = new Map<Uid, { count: number; readonly tried: Promise<void>; readonly resolve: () => void }>()

  constructor(init: ForwarderInit) {
    this.#init = init
  }

  /** Resolves once the push is stored or parked. Rejects if the store did not take it. */
  forward(push: PushEnvelope, users: readonly UserRef[], { isAlsoHere = false } = {}): Promise<void> {
    for (const { uid } of users) this.#countUntried(uid)
    if (!this.#isRunning) {
      this.#isRunning = true
      // In the next turn: by then the hub no longer finds a connection that has just closed.
      setImmediate(() => void this.#run())
    }
    return new Promise((resolve, reject) => {
      const forward = { push, isAlsoHere, remaining: users.length, failure: undefined, resolve, reject }
      this.#waiting.push({ forward, users })
    })
  }

  /** Resolves once forwarding to the user has been tried: later pushes to the user must wait for that. */
  tried(uid: Uid): Promise<void> | undefined {
    return this.#untried.size === 0 ? undefined : this.#untried.get(uid)?.tried
  }

  /** Resolves once everything that waits or is under way now has been tried. */
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
   * Takes everything that waits, except pushes to users to whom another push is under way. A second copy of the push
   * that is under way does not wait: the first was forwarded to this very node and met a connection that was
   * closing, so the first ends only after the second.
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

  /** State may still list this node for users who left it long ago: pushes to them would come here again and again. */
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
    // A user who is no longer here must not be sent to this node, whatever State says.
    await Promise.all([
      gone.length > 0 && dispatcher.resend(forUsers(push, gone), node()),
      here.length > 0 && dispatcher.resend(forUsers(push, here), undefined),
    ])
  }

  /** Whether the user has a connection here that would take a re-sent copy. */
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
    // If there was a second copy of the same push, it ended before the first and has already removed this entry.
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
