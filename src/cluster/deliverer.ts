import type { State } from '../drivers/state.ts'
import type { Dispatcher } from '../push/dispatcher.ts'
import type { Address, PushEnvelope } from '../protocol/envelope.ts'
import type { Handover } from '../sockets/handover.ts'
import type { Hub } from '../sockets/hub.ts'
import type { Membership } from './membership.ts'

/** What is still to be done once a push has been handed to those who are here. */
export interface Afterwork {
  /** Whoever it was for is elsewhere: what comes later for them waits for it. */
  readonly absent: Promise<void> | undefined
  /** Somebody has just left: nobody else has to wait for it. */
  readonly left: Promise<void> | undefined
}

const NOTHING: Afterwork = { absent: undefined, left: undefined }

/** Delivers pushes to this node's connections, and sends them after those who have moved on. */
export class Deliverer {
  readonly #hub: Hub
  readonly #state: State
  readonly #membership: Membership
  readonly #dispatcher: () => Dispatcher
  #deliveredCount = 0

  constructor(hub: Hub, state: State, membership: Membership, dispatcher: () => Dispatcher) {
    this.#hub = hub
    this.#state = state
    this.#membership = membership
    this.#dispatcher = dispatcher
  }

  /** How many connections were handed a message. */
  get deliveredCount(): number {
    return this.#deliveredCount
  }

  deliver(push: PushEnvelope, handover: Handover): Afterwork {
    const { deliveredCount, absent, left } = this.#hub.deliver(push, handover)
    this.#deliveredCount += deliveredCount
    if (absent === undefined && left === undefined) return NOTHING
    return {
      absent: absent === undefined ? undefined : this.#sendAfter({ ...push, to: absent }),
      left: left === undefined ? undefined : this.#sendAfter({ ...push, to: left }, { isForStragglers: true }),
    }
  }

  /** Sends what a connection has left behind to the same user's, or groups', younger ones: here, or wherever they are. */
  async sendOn(push: PushEnvelope): Promise<void> {
    if (this.#isSomebodyHere(push.to)) await this.#dispatcher().resend(push, undefined, { isForStragglers: true })
    else await this.#sendAfter(push, { isForStragglers: push.to.type === 'groups' })
  }

  #isSomebodyHere(to: Address): boolean {
    if (to.type === 'users') return to.users.some(({ uid }) => this.#hub.ofUser(uid).size > 0)
    return to.type === 'groups' && to.groups.some(({ group }) => this.#hub.ofGroup(group).size > 0)
  }

  async #sendAfter(push: PushEnvelope, options?: { isForStragglers: boolean }): Promise<void> {
    const { node } = this.#membership
    // State may still name this node: its own stale routes go first, or the message would come back here.
    if (push.to.type === 'users') {
      const gone = push.to.users.filter(({ uid }) => this.#hub.ofUser(uid).size === 0)
      await Promise.all(gone.map(({ uid }) => this.#state.unroute(node, uid)))
    }
    await this.#dispatcher().resend(push, node, options)
  }
}
