import type { State } from '../drivers/state.ts'
import type { Logger } from '../logger.ts'
import type { Dispatcher } from '../push/dispatcher.ts'
import type { Address, PushEnvelope, UserRef } from '../protocol/envelope.ts'
import type { NodeId } from '../protocol/ids.ts'
import type { Handover } from '../sockets/handover.ts'
import type { Hub } from '../sockets/hub.ts'
import type { Membership } from './membership.ts'

/** What is still to be done once a push has been handed to those who are here. */
export interface Afterwork {
  /** Whoever it was for is elsewhere: what comes later for them waits for it. */
  readonly absent: Promise<void> | undefined
  /** Nobody else has to wait for it: somebody has just left, or the store is away. */
  readonly left: Promise<void> | undefined
}

const RETRY_PAUSE = 500

const NOTHING: Afterwork = { absent: undefined, left: undefined }

/** How a push is sent after those who are not here; nothing for each where there is nobody. */
interface Absentees {
  readonly absent?: (() => Promise<void>) | undefined
  readonly left?: (() => Promise<void>) | undefined
  readonly departed?: (() => Promise<void>) | undefined
}

const NOBODY: Absentees = Object.freeze({})

/** Delivers pushes to this node's connections, and sends them after those who have moved on. */
export class Deliverer {
  readonly #hub: Hub
  readonly #state: State
  readonly #membership: Membership
  readonly #dispatcher: () => Dispatcher
  readonly #logger: Logger
  #deliveredCount = 0
  #closed = false

  constructor(hub: Hub, state: State, membership: Membership, dispatcher: () => Dispatcher, logger: Logger) {
    this.#logger = logger
    this.#hub = hub
    this.#state = state
    this.#membership = membership
    this.#dispatcher = dispatcher
  }

  /** How many connections were handed a message. */
  get deliveredCount(): number {
    return this.#deliveredCount
  }

  /** Its caller is told where it cannot be sent after its users. */
  deliver(push: PushEnvelope, handover: Handover): Afterwork {
    const { absent, left, departed } = this.#hand(push, handover)
    return { absent: absent?.(), left: bothOf(left?.(), departed?.()) }
  }

  /**
   * The same for what its publisher believes stored: it is sent after its users until that is stored, however long the
   * store, or the inbox that it is for, does not take it.
   */
  deliverStored(push: PushEnvelope, handover: Handover): Afterwork {
    const absentees = this.#hand(push, handover)
    if (absentees === NOBODY) return NOTHING
    // One after another, each would wait for a store that is away, and the end of this node with them.
    if (this.#closed) return { absent: undefined, left: leftInInbox() }
    const { absent, left, departed } = absentees
    const sent = absent && this.#persist(absent)
    const others = bothOf(left && this.#persist(left).done, departed && this.#persist(departed).done)
    return { absent: sent?.tried, left: bothOf(sent?.done, others) }
  }

  #hand(push: PushEnvelope, handover: Handover): Absentees {
    const { deliveredCount, absent, left, departed } = this.#hub.deliver(push, handover)
    this.#deliveredCount += deliveredCount
    if (absent === undefined && left === undefined && departed === undefined) return NOBODY
    const { node } = this.#membership
    return {
      absent: absent && (() => this.#sendAfter({ ...push, to: absent })),
      left: left && (() => this.#dispatcher().resendToStragglers({ ...push, to: left }, node)),
      departed: departed && (() => this.#sendAfter({ ...push, to: departed })),
    }
  }

  close(): void {
    this.#closed = true
  }

  /** `tried`: once the first attempt has ended; `done`: once one has succeeded. Neither rejects. */
  #persist(attempt: () => Promise<void>): { tried: Promise<void>; done: Promise<void> } {
    const first = attempt()
    return { tried: first.catch(() => {}), done: first.catch((error: unknown) => this.#tryAgain(attempt, error)) }
  }

  async #tryAgain(attempt: () => Promise<void>, error: unknown): Promise<void> {
    this.#logger.warn({ error }, 'a push could not be sent after its users; it will be again')
    while (!this.#closed) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      if (await attempt().then(yes, no)) return
    }
    await leftInInbox()
  }

  /** Sends what a connection has left behind to the same user's younger ones, here or wherever they are, or parks it. */
  async sendOn(push: PushEnvelope): Promise<void> {
    if (this.#isSomebodyHere(push.to)) await this.#dispatcher().resendToStragglers(push, undefined)
    else await this.#sendAfter(push)
  }

  #isSomebodyHere(to: Address): boolean {
    if (to.type === 'users') return to.users.some(({ uid }) => this.#hub.ofUser(uid).size > 0)
    return to.type === 'groups' && to.groups.some(({ group }) => this.#hub.ofGroup(group).size > 0)
  }

  async #sendAfter(push: PushEnvelope): Promise<void> {
    const { node } = this.#membership
    if (push.to.type !== 'users') return this.#dispatcher().resend(push, node)
    // State may still name this node: its own stale routes go first, or the message would come back here.
    const gone = push.to.users.filter(({ uid }) => this.#hub.ofUser(uid).size === 0)
    await Promise.all(gone.map(({ uid }) => this.#state.unroute(node, uid)))
    // Whoever it still names is here again, or has not quite gone.
    const goingUsers = new Set(push.to.users.filter((user) => this.#isOnlyGoing(user)))
    const otherUsers = push.to.users.filter((user) => !goingUsers.has(user))
    await Promise.all([this.#resendTo(push, [...goingUsers], node), this.#resendTo(push, otherUsers, undefined)])
  }

  /** Whether none of the user's connections here would take what is sent again. */
  #isOnlyGoing({ uid, stamp }: UserRef): boolean {
    const connections = [...this.#hub.ofUser(uid)]
    return connections.length > 0 && connections.every(({ isGoing, uidStamp }) => isGoing || uidStamp <= stamp)
  }

  async #resendTo(push: PushEnvelope, users: readonly UserRef[], ignoring: NodeId | undefined): Promise<void> {
    if (users.length > 0) await this.#dispatcher().resend({ ...push, to: { type: 'users', users } }, ignoring)
  }
}

/** Never done, so never acked: it stays there for whoever takes the inbox over. */
const leftInInbox = (): Promise<void> => new Promise(() => {})

const yes = (): boolean => true
const no = (): boolean => false

function bothOf(one: Promise<void> | undefined, other: Promise<void> | undefined): Promise<void> | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Promise.all([one, other]).then(() => {})
}
