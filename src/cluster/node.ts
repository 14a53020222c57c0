import type { ShutdownReason } from '../api.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import { Deliverer } from '../delivery/deliverer.ts'
import { FinalBroadcasts } from '../delivery/final-broadcasts.ts'
import { Forwarder } from '../delivery/forwarder.ts'
import { HeldUsers } from '../delivery/held-users.ts'
import type { Hub } from '../delivery/hub.ts'
import { Leftovers } from '../delivery/leftovers.ts'
import { ParkedPushes } from '../delivery/parked-pushes.ts'
import type { Driver, DriverSettings } from '../drivers/driver.ts'
import type { LiveNode } from '../drivers/nodes.ts'
import type { Queue } from '../drivers/queue.ts'
import type { State } from '../drivers/state.ts'
import type { Codec } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import type { Events } from '../events.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../logger.ts'
import { Handover } from '../outbound/handover.ts'
import type { EncodedMessage, PushHead } from '../outbound/outbound-message.ts'
import { Dispatcher } from '../push/dispatcher.ts'
import { Locator } from '../push/locator.ts'
import { Pusher } from '../push/pusher.ts'
import { Bindings } from './bindings.ts'
import { Cluster } from './cluster.ts'
import { Controls } from './controls.ts'
import { Directory } from './directory.ts'
import type { Receiver } from './inbox.ts'
import { IngressReader } from './ingress-reader.ts'
import { LocalDelivery } from './local-delivery.ts'
import { Membership } from './membership.ts'
import { Readers } from './readers.ts'
import { Rebinder } from './rebinder.ts'
import { Registrar } from './registrar.ts'
import { Startup } from './startup.ts'
import { Takeover } from './takeover.ts'

/** A push takes at most this many times `storeWait` from its lookup to an inbox; departures are remembered that long. */
const LOCATED_WAITS = 3

export interface NodeSettings extends DriverSettings {
  readonly name: string
  readonly maxPayload: number
  readonly maxWaitingBytes: number
  readonly maxConnectionsPerUid: number
  readonly maxGroupsPerConnection: number
  readonly connectTimeout: number
  readonly codec: Codec
  readonly generateUid: () => string
}

export interface NodeHooks {
  /** Called for errors that no caller hears of. */
  readonly onError: (phase: 'push' | 'consume', error: unknown) => void
  /** Calls `done` once the connections have taken the handover, or are no longer waited for. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
  /** Called to close a connection, because a control said so. */
  readonly closeConnection: (connection: ClientConnection, code: number, reason: string) => void
  /** The URL at which clients reach this node, once it is known. */
  readonly url: () => string | undefined
}

/** One node of the cluster: everything between its connections and the store. */
export class ClusterNode {
  readonly cluster: Cluster
  readonly registrar: Registrar
  readonly #settings: NodeSettings
  readonly #hooks: NodeHooks
  readonly #hub: Hub
  readonly #logger: Logger
  readonly #state: State
  readonly #queue: Queue
  readonly #membership: Membership
  readonly #bindings: Bindings
  readonly #rebinder: Rebinder
  readonly #pusher: Pusher
  readonly #deliverer: Deliverer
  readonly #parking: ParkedPushes
  readonly #leftovers: Leftovers
  readonly #controls: Controls
  readonly #takeover: Takeover
  readonly #ingress: IngressReader | undefined
  readonly #forwarder: Forwarder
  readonly #readers: Readers
  readonly #startup: Startup
  #finalBroadcasts: FinalBroadcasts | undefined
  #undeliveredCount = 0
  #closed = false

  constructor(driver: Driver, hub: Hub, events: Events, settings: NodeSettings, hooks: NodeHooks) {
    const { logger, codec, storeWait, connectTimeout } = settings
    const { whenTaken } = hooks
    this.#settings = settings
    this.#hooks = hooks
    this.#hub = hub
    this.#logger = logger
    const state = (this.#state = driver.state(settings))
    const queue = (this.#queue = driver.queue(settings))
    const membership = (this.#membership = new Membership(state, queue, settings, this.#membershipHooks(), {
      events,
      logger,
    }))
    const onUndelivered = (push: PushHead): void => this.#countUndelivered(push)

    // The dispatcher calls `local` and `parking`, which are created below and need the dispatcher themselves.
    const dispatcher: Dispatcher = new Dispatcher({
      queue,
      codec,
      publisher: membership.process,
      locator: new Locator(state, membership, storeWait),
      ...(state.appendWhereFound && { appendWhereFound: state.appendWhereFound }),
      local: {
        get self() {
          return membership.node
        },
        isSelf: (node) => membership.isSelf(node),
        deliver: (envelope) => local.deliver(envelope),
      },
      park: (push, users, ignored) => parking.park(push, users, ignored),
      onUndelivered,
    })

    const heldUsers = new HeldUsers()
    const forwarder = (this.#forwarder = new Forwarder({ hub, state, dispatcher, node: () => membership.node }))
    const deliverer = (this.#deliverer = new Deliverer(hub, forwarder, heldUsers, logger))
    const parking: ParkedPushes = (this.#parking = new ParkedPushes({
      state,
      codec,
      logger,
      heldUsers,
      handOut: (push, handover) => deliverer.handOut(push, handover),
      whenTaken,
      confirmLease: () => membership.confirmLease(),
      isHere: (uid) => [...hub.ofUser(uid)].some(({ isGoing }) => !isGoing),
      onUndelivered,
    }))
    const onParked = (uid: Uid): void => void parking.collect(uid)
    const bindings = (this.#bindings = new Bindings(state, hub, membership, logger, { heldUsers, onParked }))
    this.#rebinder = new Rebinder(hub, bindings)
    state.onLoss?.(() => this.#recover())
    this.#leftovers = new Leftovers({
      forward: (push, users) => deliverer.forwardLeftover(push, users),
      onUndelivered,
      onError: (error) => hooks.onError('consume', error),
    })
    const controls = (this.#controls = new Controls(
      { hub, bindings, membership, dispatcher },
      hooks.closeConnection,
      settings,
    ))
    const local = new LocalDelivery({ membership, deliverer, controls, whenTaken })
    this.#takeover = new Takeover({ state, queue, codec, hub, dispatcher }, settings)

    const onFailure = (error: unknown): void => hooks.onError('push', error)
    const pusher = (this.#pusher = new Pusher(dispatcher, queue, membership.process, { ...settings, onFailure }))
    this.#ingress = queue.ingress === undefined ? undefined : new IngressReader(queue.ingress, pusher, logger)
    const locatedFor = LOCATED_WAITS * storeWait * 1_000
    this.#readers = new Readers(queue, { codec, logger, receiver: this.#receiver() }, (at) =>
      hub.forgetDeparted(at - locatedFor),
    )
    this.#startup = new Startup({ join: () => this.#join(), connectTimeout, logger })

    const registrar = (this.registrar = new Registrar({ hub, bindings, membership, events }, settings))
    this.cluster = new Cluster({
      membership,
      pusher,
      directory: new Directory(state, (node) => this.#refine(node)),
      controls,
      registrar,
      takeover: this.#takeover,
      events,
      generateUid: settings.generateUid,
    })
  }

  get stats(): NodeStats {
    return {
      pushCount: this.#pusher.count,
      deliveredCount: this.#deliverer.deliveredCount,
      undeliveredCount: this.#undeliveredCount,
      poisonedCount: this.#readers.poisonedCount,
      waitingBytes: this.#pusher.backpressure.bytes,
      delayedCount: this.#pusher.backpressure.delayedCount,
      refusedCount: this.#pusher.backpressure.refusedCount,
    }
  }

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

  /** Called when a connection has closed without having taken these messages: they are forwarded to its user. */
  leftBehind(connection: ClientConnection, messages: readonly EncodedMessage[]): void {
    this.#leftovers.add(connection, messages)
  }

  /** Rejects unless State and Queue answer in time and know this node. */
  async health(timeout: number): Promise<void> {
    const late = (): FlotillaError => new FlotillaError('FLT_STORE_AWAY', 'the store does not answer in time')
    await withDeadline(this.#checkHealth(timeout), timeout, late)
  }

  /** Called before the connections of a closing node are told to go. */
  sayGoodbye(): void {
    if (!this.isReady || this.#finalBroadcasts !== undefined) return
    this.#finalBroadcasts = new FinalBroadcasts(this.#queue, this.#hub.uids)
    this.#deliverer.forwardBroadcasts(this.#finalBroadcasts)
  }

  /** Leaves the cluster after all connections have closed. The node takes over from itself, to hand on what it owes. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#startup.close()
    this.#rebinder.stop()
    this.#bindings.close()
    this.#deliverer.close()
    this.#parking.close()
    await this.#membership.stop()
    if (this.#startup.started !== undefined) await this.#leave()
    await Promise.all([this.#state.close(), this.#queue.close()])
  }

  async #join(): Promise<void> {
    await this.#membership.start()
    this.#startReading()
  }

  async #leave(): Promise<void> {
    try {
      await this.#startup.started
      const { node } = this.#membership
      await this.#ingress?.close(node)
      await this.#leftovers.close()
      await this.#pusher.close()
      const { broadcasts } = this.#readers
      if (broadcasts !== undefined) await this.#finalBroadcasts?.end(broadcasts, this.#forwarder)
      // Everything that was delivered must be acked first: the takeover would send it again to those who have it.
      await this.#readers.close()
      await this.#queue.flushAcks()
      // Invariant N10: a node leaves by the way that every death takes.
      await this.#takeover.takeOver(node, 'closed', node)
    } catch (error) {
      if (this.isReady)
        this.#logger.warn(
          { error },
          'this node could not leave the cluster properly: the others will take over from it',
        )
    }
    await this.#readers.close()
  }

  async #checkHealth(timeout: number): Promise<void> {
    const { started } = this.#startup
    if (this.#closed || started === undefined) throw new FlotillaError('FLT_CLOSED', 'this node is not running')
    await started
    const [isOpen] = await Promise.all([this.#queue.isOpen(this.#membership.node), this.#state.ping(timeout)])
    if (!isOpen) throw new FlotillaError('FLT_STORE_AWAY', 'the store has lost this node: it is about to join again')
  }

  // ---- what comes in

  #startReading(): void {
    this.#readers.readAs(this.#membership.node, this.#hub.lastBroadcast)
  }

  #receiver(): Receiver {
    const membership = this.#membership
    return {
      get hasLease() {
        return membership.hasLease
      },
      deliver: (push, handover) => this.#deliverer.deliverStored(push, handover),
      whenTaken: this.#hooks.whenTaken,
      obey: (control) => this.#controls.obey(control),
      answered: (reply) => this.#controls.answered(reply),
      confirmLease: () => membership.confirmLease(),
      onError: (error) => this.#hooks.onError('consume', error),
    }
  }

  #countUndelivered({ id }: PushHead): void {
    this.#undeliveredCount++
    this.#logger.debug({ id }, 'a push found none of its users any more')
  }

  // ---- who comes and goes

  #membershipHooks(): ConstructorParameters<typeof Membership>[3] {
    return {
      rejoined: (from) => this.#rejoined(from),
      joined: (offset) => {
        this.#hub.skipBroadcasts(offset)
        this.#bindings.forgetStamps()
      },
      needsTakeover: (node, reason) => this.#takeOver(node, reason),
      leaseExpired: (node) => this.#takeOver(node, 'dead'),
      renewed: () => {
        // This heartbeat was under way while the node left.
        if (this.#closed) return
        this.#hub.forgetOld()
        this.#leadIngress()
        void this.#rebinder.rebindSome()
      },
      connectionCount: () => this.#hub.size,
      url: () => this.#hooks.url(),
    }
  }

  #rejoined(from: NodeId): void {
    this.#startReading()
    this.#rebinder.stop()
    // If the store lost this node without an eviction, its previous id may still be listed. Lookups find its users
    // there until they are written under the new id, so the previous id is taken over only after that.
    void this.#bindings.repeat(this.#hub).then(() => this.#takeOver(from, 'evicted'))
  }

  /** Called when the store may have forgotten its latest writes. */
  #recover(): void {
    this.#logger.warn(
      { node: this.#membership.node },
      'the store has changed its server: every connection here is bound again',
    )
    this.#membership.renewNow()
    void this.#rebinder.rebindAll()
  }

  #takeOver(node: NodeId, reason: ShutdownReason): void {
    this.#takeover.takeOver(node, reason, this.#membership.node).catch((error: unknown) => {
      if (!this.#closed) this.#logger.warn({ error, node }, 'a takeover stopped halfway: it will go on')
    })
  }

  #leadIngress(): void {
    this.#ingress?.lead(this.#membership.node, this.#settings.deadAfter).catch((error: unknown) => {
      if (!this.#closed) this.#logger.warn({ error }, 'this node could not ask to read the ingress stream')
    })
  }

  #refine(node: LiveNode): LiveNode {
    return node.node === this.#membership.node ? { ...node, connectionCount: this.#hub.size } : node
  }
}

export interface NodeStats {
  /** Pushes that were made on this node. */
  readonly pushCount: number
  /** Messages that were handed to connections on this node. */
  readonly deliveredCount: number
  /** Pushes that were given up, because none of their users could be found any more. */
  readonly undeliveredCount: number
  /** Inbox entries that could not be decoded and were set aside. */
  readonly poisonedCount: number
  /** Bytes of pushes made on this node that wait for the store now. */
  readonly waitingBytes: number
  /** Pushes that had to wait for room, because `maxWaitingBytes` already waited for the store. */
  readonly delayedCount: number
  /** Pushes that failed with `FLT_OVERLOADED`, because there was no room in time. */
  readonly refusedCount: number
}
