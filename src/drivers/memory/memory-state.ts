import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConnectionInfo, ShutdownReason } from '../../api.ts'
import type { Group, NodeId, Uid } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import type { Eviction, NodeList, NodeRecord, Renewal } from '../nodes.ts'
import type { Parcel, Parked, ParkedMessage } from '../parking.ts'
import type { Applied, Change, Located, Lookup } from '../routes.ts'
import type { State } from '../state.ts'
import { Leases } from './leases.ts'
import type { MemoryStore } from './memory-store.ts'

/** State in this process. A call takes effect at once; only its answer is a promise. */
export class MemoryState implements State {
  readonly #store: MemoryStore
  readonly #leases: Leases
  #closed = false

  constructor(store: MemoryStore, settings: DriverSettings) {
    this.#store = store
    this.#leases = new Leases(store, settings)
  }

  async join(record: NodeRecord): Promise<void> {
    this.#assertOpen()
    this.#leases.join(record)
  }

  async renew(node: NodeId, connectionCount: number): Promise<Renewal> {
    this.#assertOpen()
    return this.#leases.renew(node, connectionCount)
  }

  async nodes(): Promise<NodeList> {
    this.#assertOpen()
    return this.#leases.list()
  }

  async reportCount(node: NodeId, connectionCount: number): Promise<void> {
    this.#assertOpen()
    const membership = this.#store.nodes.get(node)
    if (membership !== undefined) membership.connectionCount = connectionCount
  }

  async evict(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<Eviction> {
    this.#assertOpen()
    return this.#leases.evict(node, reason, by)
  }

  async claim(node: NodeId, by: NodeId, ttl: number): Promise<boolean> {
    this.#assertOpen()
    return this.#leases.claim(node, by, ttl)
  }

  /** The lease was the marker. */
  async fence(): Promise<void> {
    this.#assertOpen()
  }

  async unlist(node: NodeId): Promise<void> {
    this.#assertOpen()
    if (!this.#store.nodes.has(node)) this.#store.bindings.unlist(node)
  }

  async clean(node: NodeId): Promise<void> {
    this.#assertOpen()
    if (!this.#store.nodes.has(node)) this.#store.bindings.clean(node)
  }

  async forget(node: NodeId): Promise<void> {
    this.#assertOpen()
    this.#leases.forget(node)
  }

  /** The lease is the marker: without it nothing is written. */
  async apply(node: NodeId, changes: readonly Change[]): Promise<Applied> {
    this.#assertOpen()
    if (!this.#store.nodes.has(node)) return { type: 'fenced' }
    const { bindings, parking } = this.#store
    const stamps = changes.map((change) => bindings.apply(node, change))
    const here = changes.flatMap((change) =>
      change.type === 'user' && change.connections.length > 0 ? change.uid : [],
    )
    return { type: 'applied', stamps, parked: here.filter((uid) => parking.of(uid).length > 0) }
  }

  /** In the next turn of the event loop: who awaits one push after another must not keep everyone else from theirs. */
  async locate(lookup: Lookup): Promise<Located> {
    await nextTurn()
    this.#assertOpen()
    return this.#store.bindings.locate(lookup)
  }

  /** A user's route is made of its connections here, so there is nothing to repair. */
  async unroute(): Promise<void> {
    this.#assertOpen()
  }

  async park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]> {
    this.#assertOpen()
    const { bindings, parking } = this.#store
    return parcels.map(({ id, bytes: given, users }) => {
      const bytes = given.slice()
      return users.map(({ uid, stamp }) =>
        bindings.nodesOf(uid).some((node) => node !== ignored) ? 'found' : parking.add(uid, id, { stamp, bytes }),
      )
    })
  }

  async parkedFor(uid: Uid): Promise<readonly ParkedMessage[]> {
    this.#assertOpen()
    return this.#store.parking.of(uid)
  }

  async unpark(uid: Uid, positions: readonly string[]): Promise<void> {
    this.#assertOpen()
    this.#store.parking.remove(uid, positions)
  }

  async groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>> {
    this.#assertOpen()
    return this.#store.bindings.groupsOn(node)
  }

  async connections(uid: Uid): Promise<ConnectionInfo[]> {
    this.#assertOpen()
    return this.#store.bindings.connectionsOf(uid)
  }

  async members(
    group: Group,
    limit: number,
    cursor?: string,
    ignored?: ReadonlySet<NodeId>,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }> {
    this.#assertOpen()
    return this.#store.bindings.membersOf(group, limit, cursor, ignored)
  }

  async ping(): Promise<void> {
    this.#assertOpen()
  }

  /** Closes this handle; other servers and emitters go on with theirs. */
  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
  }
}
