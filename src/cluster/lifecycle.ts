import type { ShutdownReason } from '../api.ts'
import type { Deliverer } from '../delivery/deliverer.ts'
import { FinalBroadcasts } from '../delivery/final-broadcasts.ts'
import type { Forwarder } from '../delivery/forwarder.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Leftovers } from '../delivery/leftovers.ts'
import type { ParkedPushes } from '../delivery/parked-pushes.ts'
import type { Queue } from '../drivers/queue.ts'
import type { State } from '../drivers/state.ts'
import type { NodeId } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../logger.ts'
import type { Pusher } from '../push/pusher.ts'
import type { Bindings } from './bindings.ts'
import type { IngressReader } from './ingress-reader.ts'
import type { Membership, MembershipHooks } from './membership.ts'
import type { Readers } from './readers.ts'
import type { Rebinder } from './rebinder.ts'
import { Startup } from './startup.ts'
import type { Takeover } from './takeover.ts'

interface LifecycleInit {
  readonly state: State
  readonly queue: Queue
  readonly hub: Hub
  readonly membership: Membership
  readonly bindings: Bindings
  readonly rebinder: Rebinder
  readonly readers: Readers
  readonly ingress: IngressReader | undefined
  readonly pusher: Pusher
  readonly deliverer: Deliverer
  readonly forwarder: Forwarder
  readonly leftovers: Leftovers
  readonly parking: ParkedPushes
  readonly takeover: Takeover
  /** The URL at which clients reach this node, once it is known. */
  readonly url: () => string | undefined
}

interface LifecycleSettings {
  readonly connectTimeout: number
  readonly deadAfter: number
  readonly logger: Logger
}

/**
 * The stages of a node: it joins the cluster, renews its lease, joins again if it lost that, binds everybody again if
 * the store lost something, takes over from nodes that are gone, and leaves.
 */
export class Lifecycle implements MembershipHooks {
  readonly #init: LifecycleInit
  readonly #settings: LifecycleSettings
  readonly #logger: Logger
  readonly #startup: Startup
  #finalBroadcasts: FinalBroadcasts | undefined
  #closed = false

  constructor(init: LifecycleInit, settings: LifecycleSettings) {
    this.#init = init
    this.#settings = settings
    this.#logger = settings.logger
    this.#startup = new Startup({
      ...settings,
      join: () => this.#join(),
      ping: (timeout) => init.state.ping(timeout),
    })
    init.state.onLoss?.(() => this.#recover())
  }

  // ---- start

  /**
   * Joins the cluster. Rejects with `FLT_STORE_AWAY` if that takes longer than `connectTimeout`, and with
   * `FLT_BAD_OPTION` as soon as the store says that no retry can help. The node goes on trying all the same.
   */
  ready(): Promise<void> {
    return this.#startup.ready()
  }

  /** Whether the node has joined the cluster: then nobody needs to wait for `ready`. */
  get isReady(): boolean {
    return this.#startup.isDone
  }

  /** Rejects unless State and Queue answer in time and know this node. `details.reason` of the error says why in a word. */
  async health(timeout: number): Promise<void> {
    const late = (): FlotillaError => (this.isReady ? unhealthy(LATE, 'store') : unhealthy(NOT_JOINED, 'starting'))
    await withDeadline(this.#checkHealth(timeout), timeout, late)
  }

  async #join(): Promise<void> {
    await this.#init.membership.start()
    this.#startReading()
  }

  async #checkHealth(timeout: number): Promise<void> {
    const { state, queue, membership } = this.#init
    const { started } = this.#startup
    if (this.#closed)
      throw new FlotillaError('FLT_CLOSED', 'this node is not running', { details: { reason: 'closed' } })
    if (started === undefined) throw unhealthy('this node has not begun to join the cluster yet', 'starting')
    await started
    const [isOpen] = await Promise.all([queue.isOpen(membership.node), state.ping(timeout)])
    if (!isOpen) throw unhealthy('the store has lost this node: it is about to join again', 'lost')
  }

  #startReading(): void {
    const { readers, membership, hub } = this.#init
    readers.readAs(membership.node, hub.lastBroadcast)
  }

  // ---- while it runs: called by `Membership`

  connectionCount(): number {
    return this.#init.hub.size
  }

  url(): string | undefined {
    return this.#init.url()
  }

  joined(offset: number): void {
    const { hub, bindings } = this.#init
    hub.skipBroadcasts(offset)
    bindings.forgetStamps()
  }

  renewed(): void {
    // This heartbeat was under way while the node left.
    if (this.#closed) return
    const { hub, rebinder } = this.#init
    hub.deliveries.forgetOld()
    this.#leadIngress()
    void rebinder.rebindSome()
  }

  rejoined(from: NodeId): void {
    const { rebinder, bindings, hub } = this.#init
    this.#startReading()
    rebinder.stop()
    // Invariant N10: if the store lost this node without an eviction, its previous id may still be listed. Lookups find
    // its users there until they are written under the new id, so the previous id is taken over only after that.
    void bindings.repeat(hub).then(() => this.#takeOver(from, 'evicted'))
  }

  needsTakeover(node: NodeId, reason: ShutdownReason): void {
    this.#takeOver(node, reason)
  }

  leaseExpired(node: NodeId): void {
    this.#takeOver(node, 'dead')
  }

  /** Called when the store may have forgotten its latest writes. */
  #recover(): void {
    const { membership, rebinder } = this.#init
    this.#logger.warn(
      { node: membership.node },
      'the store has changed its server: every connection here is bound again',
    )
    membership.renewNow()
    void rebinder.rebindAll()
  }

  #takeOver(node: NodeId, reason: ShutdownReason): void {
    const { takeover, membership } = this.#init
    takeover.takeOver(node, reason, membership.node).catch((error: unknown) => {
      if (!this.#closed) this.#logger.warn({ error, node }, 'a takeover stopped halfway: it will go on')
    })
  }

  #leadIngress(): void {
    const { ingress, membership } = this.#init
    ingress?.lead(membership.node, this.#settings.deadAfter).catch((error: unknown) => {
      if (!this.#closed) this.#logger.warn({ error }, 'this node could not ask to read the ingress stream')
    })
  }

  // ---- end

  /** Called before the connections of a closing node are told to go. */
  sayGoodbye(): void {
    if (!this.isReady || this.#finalBroadcasts !== undefined) return
    const { queue, hub, deliverer } = this.#init
    this.#finalBroadcasts = new FinalBroadcasts(queue, hub.uids)
    deliverer.forwardBroadcasts(this.#finalBroadcasts)
  }

  /** Leaves the cluster after all connections have closed. The node takes over from itself, to hand on what it owes. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { state, queue, membership, bindings, rebinder, deliverer, parking } = this.#init
    this.#startup.close()
    rebinder.stop()
    bindings.close()
    deliverer.close()
    parking.close()
    await membership.stop()
    if (this.#startup.started !== undefined) await this.#leave()
    await Promise.all([state.close(), queue.close()])
  }

  async #leave(): Promise<void> {
    const { queue, membership, ingress, leftovers, pusher, readers, forwarder, takeover } = this.#init
    try {
      await this.#startup.started
      const { node } = membership
      await ingress?.close(node)
      await leftovers.close()
      await pusher.close()
      const { broadcasts } = readers
      if (broadcasts !== undefined) await this.#finalBroadcasts?.end(broadcasts, forwarder)
      // Everything that was delivered must be acked first: the takeover would send it again to those who have it.
      await readers.close()
      await queue.flushAcks()
      // Invariant N10: a node leaves by the way that every death takes.
      await takeover.takeOver(node, 'closed', node)
    } catch (error) {
      if (this.isReady)
        this.#logger.warn(
          { error },
          'this node could not leave the cluster properly: the others will take over from it',
        )
    }
    await readers.close()
  }
}

const LATE = 'the store does not answer in time'
const NOT_JOINED = 'this node has not joined the cluster yet: the store does not answer, or refuses it'

function unhealthy(message: string, reason: 'store' | 'starting' | 'lost'): FlotillaError {
  return new FlotillaError('FLT_STORE_AWAY', message, { details: { reason } })
}
