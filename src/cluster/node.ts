import type { ClientConnection } from '../connection/client-connection.ts'
import { Deliverer } from '../delivery/deliverer.ts'
import { Forwarder } from '../delivery/forwarder.ts'
import { HeldUsers } from '../delivery/held-users.ts'
import type { Hub } from '../delivery/hub.ts'
import { Leftovers } from '../delivery/leftovers.ts'
import { ParkedPushes } from '../delivery/parked-pushes.ts'
import type { Driver, DriverSettings } from '../drivers/driver.ts'
import type { Codec } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import type { Events } from '../events.ts'
import type { Logger } from '../logger.ts'
import { Handover } from '../outbound/handover.ts'
import type { EncodedMessage, PushHead } from '../outbound/outbound-message.ts'
import { Dispatcher } from '../push/dispatcher.ts'
import { Locator } from '../push/locator.ts'
import { Parker } from '../push/parker.ts'
import { Pusher } from '../push/pusher.ts'
import { Bindings } from './bindings.ts'
import { Cluster } from './cluster.ts'
import { Controls } from './controls.ts'
import { Directory } from './directory.ts'
import type { Receiver } from './inbox.ts'
import { IngressReader } from './ingress-reader.ts'
import { Lifecycle } from './lifecycle.ts'
import { LocalDelivery } from './local-delivery.ts'
import { Membership } from './membership.ts'
import { Readers } from './readers.ts'
import { Rebinder } from './rebinder.ts'
import { Registrar } from './registrar.ts'
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

/** One node of the cluster: builds everything between its connections and the store, and connects it. */
export class ClusterNode {
  readonly cluster: Cluster
  readonly registrar: Registrar
  readonly lifecycle: Lifecycle
  readonly #logger: Logger
  readonly #pusher: Pusher
  readonly #deliverer: Deliverer
  readonly #leftovers: Leftovers
  readonly #readers: Readers
  #undeliveredCount = 0

  constructor(driver: Driver, hub: Hub, events: Events, settings: NodeSettings, hooks: NodeHooks) {
    const { codec, storeWait } = settings
    const { whenTaken, url } = hooks
    const logger = (this.#logger = settings.logger)
    const state = driver.state(settings)
    const queue = driver.queue(settings)
    const onUndelivered = (push: PushHead): void => this.#countUndelivered(push)

    // The lifecycle is created last, because it starts and ends everything else; nothing calls it before it does.
    const membership = new Membership(state, queue, settings, () => lifecycle, { events, logger })

    const parker = new Parker(state, codec)
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
      parker,
      storeWait,
      park: (push, users, ignored) => parking.park(push, users, ignored),
      onUndelivered,
    })

    const heldUsers = new HeldUsers()
    const forwarder = new Forwarder({ hub, state, dispatcher, node: () => membership.node })
    const deliverer = (this.#deliverer = new Deliverer(hub, forwarder, heldUsers, logger))
    const parking: ParkedPushes = new ParkedPushes({
      state,
      parker,
      codec,
      logger,
      heldUsers,
      handOut: (push, handover) => deliverer.handOut(push, handover),
      whenTaken,
      confirmLease: () => membership.confirmLease(),
      isHere: (uid) => [...hub.ofUser(uid)].some(({ isGoing }) => !isGoing),
      onUndelivered,
    })
    const onParked = (uid: Uid): void => void parking.collect(uid)
    const bindings = new Bindings(state, hub, membership, logger, { heldUsers, onParked })
    const rebinder = new Rebinder(hub, bindings)
    const onConsumeError = (error: unknown): void => hooks.onError('consume', error)
    const leftovers = (this.#leftovers = new Leftovers({
      forward: (push, users) => deliverer.forwardLeftover(push, users),
      onUndelivered,
      onError: onConsumeError,
    }))
    const controls = new Controls({ hub, bindings, membership, dispatcher }, hooks.closeConnection, settings)
    const local = new LocalDelivery({ membership, deliverer, controls, whenTaken })
    const takeover = new Takeover({ state, queue, codec, hub, dispatcher }, settings)

    const onFailure = (error: unknown): void => hooks.onError('push', error)
    const pusher = (this.#pusher = new Pusher(dispatcher, queue, membership.process, { ...settings, onFailure }))
    const ingress = queue.ingress === undefined ? undefined : new IngressReader(queue.ingress, pusher, logger)
    const receiver: Receiver = {
      get hasLease() {
        return membership.hasLease
      },
      deliver: (push, handover) => deliverer.deliverStored(push, handover),
      whenTaken,
      obey: (control) => controls.obey(control),
      answered: (reply) => controls.answered(reply),
      confirmLease: () => membership.confirmLease(),
      onError: onConsumeError,
    }
    const locatedFor = LOCATED_WAITS * storeWait * 1_000
    const readers = (this.#readers = new Readers(queue, { codec, logger, receiver }, (at) =>
      hub.forgetDeparted(at - locatedFor),
    ))

    const registrar = (this.registrar = new Registrar({ hub, bindings, membership, events }, settings))
    this.cluster = new Cluster({
      membership,
      pusher,
      directory: new Directory(state, (node) =>
        node.node === membership.node ? { ...node, connectionCount: hub.size } : node,
      ),
      controls,
      registrar,
      takeover,
      events,
      generateUid: settings.generateUid,
    })
    const lifecycle: Lifecycle = (this.lifecycle = new Lifecycle(
      {
        state,
        queue,
        hub,
        membership,
        bindings,
        rebinder,
        readers,
        ingress,
        pusher,
        deliverer,
        forwarder,
        leftovers,
        parking,
        takeover,
        url,
      },
      settings,
    ))
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

  /** Called when a connection has closed without having taken these messages: they are forwarded to its user. */
  leftBehind(connection: ClientConnection, messages: readonly EncodedMessage[]): void {
    this.#leftovers.add(connection, messages)
  }

  #countUndelivered({ id }: PushHead): void {
    this.#undeliveredCount++
    this.#logger.debug({ id }, 'a push found none of its users any more')
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
