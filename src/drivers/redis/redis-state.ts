import type { ConnectionInfo, ShutdownReason } from '../../api.ts'
import {
  type Group,
  newProcessId,
  type NodeId,
  partitionOf,
  partitionOfConnection,
  type Uid,
} from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { DriverSettings } from '../driver.ts'
import type { Eviction, NodeList, NodeRecord, Renewal } from '../nodes.ts'
import type { Parcel, Parked, ParkedMessage } from '../parking.ts'
import type { Applied, Change, Located, Lookup, Route } from '../routes.ts'
import type { State } from '../state.ts'
import type { Store } from './connection/address.ts'
import { type Commands, RedisClient } from './connection/client.ts'
import { HotScript, type ScriptCall } from './connection/script-call.ts'
import { DirectAppends } from './direct-appends.ts'
import { Epochs } from './epochs.ts'
import { connectionField, Keys, MARKER, userField } from './keys.ts'
import { MemberPages } from './member-pages.ts'
import { ALL_PARTITIONS, forAllPartitions } from './partitions.ts'
import {
  KEEP_GONE,
  readNodeList,
  readEpoch,
  readNodes,
  nodesIn,
  readRecords,
  writeMember,
  writeRecords,
} from './records.ts'
import { RedisCleaner } from './redis-cleaner.ts'
import { RedisParking } from './redis-parking.ts'
import type { Durability } from './replicated-appends.ts'
import { type Asked, byPartition, readRoutes, type Told } from './route-reads.ts'
import { bindLua } from './scripts/bindings.ts'

const bind = new HotScript(bindLua)

/** A marker's life until its node has made sure that it still holds its lease. */
const UNCONFIRMED_MARKER = 60_000

/** Members of a group that one script takes. */
const MAX_MEMBERS = 1_000

export class RedisState implements State {
  readonly appendWhereFound?: NonNullable<State['appendWhereFound']>
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #settings: DriverSettings
  readonly #cleaner: RedisCleaner
  readonly #parking: RedisParking
  readonly #pages: MemberPages
  readonly #epochs: Epochs
  /** Until when what is found nowhere may be what the store has forgotten, by our monotonic clock. */
  #doubtUntil = Number.NEGATIVE_INFINITY
  /** The store's clock minus our monotonic one, in ms, as the last reply that told the time had it. */
  #clockOffset: number | undefined

  constructor(store: Store, settings: DriverSettings, durability: Durability) {
    this.#settings = settings
    this.#keys = new Keys(settings.prefix)
    this.#client = new RedisClient(store, settings, 'state')
    this.#cleaner = new RedisCleaner(this.#client, this.#keys)
    this.#parking = new RedisParking(this.#client, this.#keys)
    this.#pages = new MemberPages(this.#client, this.#keys)
    this.#epochs = new Epochs(this.#grace)
    this.onLoss(() => {
      this.#doubtUntil = performance.now() + this.#grace
    })
    if (store.address.type === 'cluster' || durability === 'replicated') return
    const directly = new DirectAppends(this.#client, this.#keys, this.#epochs, settings)
    this.appendWhereFound = async (...call) => (this.#isInDoubt ? undefined : directly.append(...call))
  }

  /** What is found nowhere may be what the store has forgotten. */
  get #isInDoubt(): boolean {
    return performance.now() < this.#doubtUntil
  }

  // ---- membership

  async join(record: NodeRecord): Promise<void> {
    const { node } = record
    const { deadAfter, heartbeat } = this.#settings
    const keys = this.#keys
    const info = JSON.stringify({ name: record.name, url: record.url, startedAt: record.startedAt, deadAfter })
    await this.#client.run((redis) =>
      redis.fltJoin(
        [keys.clock(), keys.lease(), keys.seen(), keys.nodes(), keys.version(), keys.counts(), keys.changes()],
        [node, deadAfter, heartbeat, info],
      ),
    )
    const salt = newProcessId()
    const epochs = await forAllPartitions(this.#client, (redis, partition) =>
      redis.fltMark(keys.holdings(partition, node), keys.epoch(partition), salt, UNCONFIRMED_MARKER),
    )
    for (const partition of ALL_PARTITIONS) this.#epochs.learn(partition, readEpoch(epochs[partition] as string).epoch!)
    const renewal = await this.renew(node, 0)
    if (renewal.type === 'evicted') throw new FlotillaError('FLT_STORE_AWAY', `${node} was evicted while it joined`)
    await forAllPartitions(this.#client, (redis, partition) => redis.persist(keys.holdings(partition, node)))
  }

  async renew(node: NodeId, connectionCount: number): Promise<Renewal> {
    const { deadAfter, heartbeat } = this.#settings
    const keys = this.#keys
    const reply = (await this.#client.run((redis) =>
      redis.fltRenew(
        [keys.clock(), keys.lease(), keys.seen(), keys.version(), keys.counts(), keys.claims()],
        [node, deadAfter, heartbeat, connectionCount],
      ),
    )) as [0] | [1, number, number, number, NodeId[], NodeId[]]
    if (reply[0] === 0) return { type: 'evicted' }
    if (!(await this.#isMarked(node))) return { type: 'evicted' }
    const [, now, version, next, overdue, orphaned] = reply
    this.#setClock(now)
    return { type: 'renewed', version, overdue, orphaned, nextExpiry: next < 0 ? undefined : next }
  }

  /**
   * Whether every master of a cluster still has the node's markers: one may have lost all that it had. Where that cannot
   * be told in time it is so, for what the store would refuse it refuses anyway.
   */
  async #isMarked(node: NodeId): Promise<boolean> {
    const { router } = this.#client
    if (router === undefined) return true
    const onePerMaster = new Map(
      ALL_PARTITIONS.map((partition) => [router.addressFor(this.#keys.epoch(partition)), partition]),
    )
    const partitions = [...onePerMaster.values()]
    const asked = this.#client.batch((redis) =>
      partitions.map((partition) => redis.hexists(this.#keys.holdings(partition, node), MARKER)),
    )
    const marks = await withDeadline(asked, this.#settings.heartbeat / 2, () => new Error('late')).catch(
      (): unknown[] => [],
    )
    return !marks.includes(0)
  }

  async nodes(known?: NodeList): Promise<NodeList> {
    const { seen, nodes, version, counts, gone, changes } = this.#keys
    const reply = await this.#client.run((redis) =>
      redis.fltNodes([seen(), nodes(), version(), counts(), gone(), changes()], known?.version ?? 0),
    )
    const { now, list } = readNodeList(reply, known)
    this.#setClock(now)
    return list
  }

  async reportCount(node: NodeId, connectionCount: number): Promise<void> {
    await this.#client.run((redis) =>
      redis.fltReportCount(this.#keys.lease(), this.#keys.counts(), node, connectionCount),
    )
  }

  async evict(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<Eviction> {
    const { clock, lease, seen, nodes, version, counts, gone, claims, changes } = this.#keys
    return (await this.#client.run((redis) =>
      redis.fltEvict(
        [clock(), lease(), seen(), nodes(), version(), counts(), gone(), claims(), changes()],
        [node, reason, by, this.#settings.heartbeat / 2],
      ),
    )) as Eviction
  }

  async claim(node: NodeId, by: NodeId, ttl: number): Promise<boolean> {
    const { gone, claims } = this.#keys
    return (await this.#client.run((redis) => redis.fltClaim(gone(), claims(), node, by, ttl))) === 1
  }

  async fence(node: NodeId): Promise<void> {
    await forAllPartitions(this.#client, (redis, partition) => redis.hdel(this.#keys.holdings(partition, node), MARKER))
  }

  async forget(node: NodeId): Promise<void> {
    const { version, gone, claims, changes } = this.#keys
    await this.#client.run((redis) => redis.fltForget(version(), gone(), claims(), changes(), node, KEEP_GONE))
  }

  async unlist(node: NodeId): Promise<void> {
    await this.#cleaner.unlist(node)
  }

  async clean(node: NodeId): Promise<void> {
    await this.#cleaner.clean(node)
  }

  // ---- bindings

  /** One script for each partition that users or connections are in, one for each group. */
  async apply(node: NodeId, changes: readonly Change[]): Promise<Applied> {
    const bindings = bindingsIn(changes)
    const memberships = membershipsIn(changes)
    // Both have ended before anything newer is written: what is still on its way would overwrite it.
    const [bound, joined] = await bothEnded([
      this.#client.callEach(bind, () => bindings.map((binding) => this.#bind(node, binding))),
      this.#client.batch((redis) => memberships.map((members) => this.#setMembers(redis, node, members))),
    ])
    if (bound.includes(null) || joined.includes(null)) return { type: 'fenced' }
    const stamps: number[] = Array.from(changes, () => 0)
    const parked: Uid[] = []
    for (const [index, { users }] of bindings.entries()) {
      const given = (bound[index] as string).split(' ')
      for (const [at, { change, position }] of users.entries()) {
        stamps[position] = Number.parseInt(given[at]!, 10)
        if (given[at]!.endsWith('+')) parked.push(change.uid)
      }
    }
    for (const [index, members] of memberships.entries()) {
      for (const { position } of members) stamps[position] = Number(joined[index])
    }
    return { type: 'applied', stamps, parked }
  }

  #bind(node: NodeId, { partition, users, connections }: PartitionBindings): ScriptCall {
    const keys = [this.#keys.holdings(partition, node), this.#keys.epoch(partition)]
    const args: string[] = [node]
    for (const { change } of users) {
      keys.push(this.#keys.route(partition, change.uid), this.#keys.parked(partition, change.uid))
      args.push(userField(change.uid), writeRecords(change.connections))
    }
    for (const { connection, present } of connections) args.push(connectionField(connection), present ? '1' : '0')
    return bind.call(keys, args)
  }

  #setMembers(redis: Commands, node: NodeId, members: readonly Membership[]): Promise<unknown> {
    const keys = this.#keys
    const { group } = members[0]!.change
    const partition = partitionOf(group)
    const pairs = members.flatMap(({ change: { connection, present } }) => [
      connection.connection,
      present ? writeMember(connection) : '',
    ])
    return redis.fltSetMembers(
      [keys.holdings(partition, node), keys.epoch(partition), keys.groupRoute(partition, group)],
      [keys.groupMembers(partition, group, node), keys.groupsOf(partition, node)],
      [node, group, ...pairs],
    )
  }

  async unroute(node: NodeId, uids: readonly Uid[]): Promise<void> {
    const byPartition = new Map<number, Uid[]>()
    for (const uid of uids) {
      const partition = partitionOf(uid)
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), uid])
    }
    await this.#client.batch((redis) =>
      [...byPartition].map(([partition, here]) => {
        const keys = [this.#keys.holdings(partition, node), ...here.map((uid) => this.#keys.route(partition, uid))]
        return redis.fltUnroute(keys.length, ...keys, node, ...here.map(userField))
      }),
    )
  }

  // ---- parking

  park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]> {
    return this.#parking.park(parcels, ignored)
  }

  parkedFor(uid: Uid): Promise<readonly ParkedMessage[]> {
    return this.#parking.parkedFor(uid)
  }

  unpark(uid: Uid, positions: readonly string[]): Promise<void> {
    return this.#parking.unpark(uid, positions)
  }

  groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>> {
    return this.#cleaner.groupsOn(node)
  }

  // ---- lookups

  async locate(lookup: Lookup): Promise<Located> {
    const { uids, groups, connections } = lookup
    const groupParts = groups.map(partitionOf)
    const connectionParts = connections.map(({ connection }) => partitionOfConnection(connection) ?? 0)
    const asked = byPartition(uids, [...groupParts, ...connectionParts])
    const [told, ...rest] = await this.#read(asked, lookup)
    const storeNow = this.#storeNow()
    const sayings = new Map<number, Saying>()
    const found: Route[] = Array.from({ length: uids.length })
    for (const [index, { partition, positions }] of asked.entries()) {
      const { epoch, stamp } = readEpoch(told[index]![0])
      const settled = this.#epochs.isSettled(partition, epoch, storeNow)
      sayings.set(partition, { stamp, settled })
      // A lookup may be of ten thousand users.
      for (let at = 0; at < positions.length; at++) {
        found[positions[at]!] = { nodes: readNodes(told[index]![at + 1]), stamp, settled }
      }
    }
    const route = (partition: number, nodes: readonly NodeId[]): Route => ({ nodes, ...sayings.get(partition)! })
    const located: Located = {
      uids: found,
      groups: groups.map((_, index) => route(groupParts[index]!, nodesIn(rest[index] as string[]))),
      connections: connections.map(({ node }, index): Route => {
        const isThere = node !== undefined && rest[groups.length + index] === 1
        return { ...route(connectionParts[index]!, isThere ? [node] : []), stamp: 0 }
      }),
    }
    return this.#isInDoubt ? doubted(located) : located
  }

  /**
   * Epochs come first: with a stamp older than what is found, somebody may have to be remembered; with a younger one,
   * somebody would miss the message.
   */
  async #read(asked: readonly Asked[], { groups, connections }: Lookup): Promise<[Told[], ...unknown[]]> {
    if (asked.length === 0) return [[]]
    const isCluster = this.#client.router !== undefined
    const replies = await this.#client.batch((redis) => [
      readRoutes(redis, this.#keys, asked, isCluster),
      ...groups.map((group) => redis.hkeys(this.#keys.groupRoute(partitionOf(group), group))),
      ...connections.map(({ connection, node }) => {
        // No node bears an empty id: what is nowhere is asked for in vain, and keeps its place among the replies.
        const holdings = this.#keys.holdings(partitionOfConnection(connection) ?? 0, node ?? ('' as NodeId))
        return redis.hexists(holdings, connectionField(connection))
      }),
    ])
    return replies as [Told[], ...unknown[]]
  }

  async connections(uid: Uid): Promise<ConnectionInfo[]> {
    const partition = partitionOf(uid)
    const route = await this.#client.run((redis) => redis.get(this.#keys.route(partition, uid)))
    const nodes = readNodes(route)
    if (nodes.length === 0) return []
    const values = (await this.#client.batch((redis) =>
      nodes.map((node) => redis.hget(this.#keys.holdings(partition, node), userField(uid))),
    )) as (string | null)[]
    return values.flatMap((value, index) => readRecords(value, nodes[index]!, uid))
  }

  members(...page: Parameters<State['members']>): ReturnType<State['members']> {
    return this.#pages.read(...page)
  }

  onLoss(listener: () => void): void {
    this.#client.histories.onNew(listener)
  }

  async ping(timeout: number): Promise<void> {
    await this.#client.run((redis) => redis.ping(), timeout)
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** ms that the nodes may take to write again what was lost. */
  get #grace(): number {
    return this.#settings.heartbeat + 1_000
  }

  #setClock(storeNow: number): void {
    this.#clockOffset = storeNow - performance.now()
  }

  #storeNow(): number | undefined {
    return this.#clockOffset === undefined ? undefined : performance.now() + this.#clockOffset
  }
}

/** After a loss, what is nowhere may be written again in a moment. */
function doubted({ uids, groups, connections }: Located): Located {
  const doubt = (route: Route): Route => (route.nodes.length === 0 ? { ...route, settled: false } : route)
  return { uids: uids.map(doubt), groups: groups.map(doubt), connections: connections.map(doubt) }
}

type ChangeOf<Type> = Extract<Change, { type: Type }>

/** A change, and where its stamp belongs. */
interface Membership {
  readonly change: ChangeOf<'member'>
  readonly position: number
}

/** What a partition says of all its users and groups. */
type Saying = Pick<Route, 'stamp' | 'settled'>

/** What one script writes; a change's position among all is where its stamp belongs. */
interface PartitionBindings {
  readonly partition: number
  readonly users: { readonly change: ChangeOf<'user'>; readonly position: number }[]
  readonly connections: ChangeOf<'connection'>[]
}

/** A new connection lies in its user's partition: both are one script, and so is all else that is bound there. */
function bindingsIn(changes: readonly Change[]): readonly PartitionBindings[] {
  const found = new Map<number, PartitionBindings>()
  const within = (partition: number): PartitionBindings => {
    const known = found.get(partition)
    if (known !== undefined) return known
    const bindings = { partition, users: [], connections: [] }
    found.set(partition, bindings)
    return bindings
  }
  for (const [position, change] of changes.entries()) {
    if (change.type === 'user') within(partitionOf(change.uid)).users.push({ change, position })
    if (change.type === 'connection') {
      within(partitionOfConnection(change.connection) ?? 0).connections.push(change)
    }
  }
  return [...found.values()]
}

/** Of one group: as many as one script takes. */
function membershipsIn(changes: readonly Change[]): readonly (readonly Membership[])[] {
  const found: Membership[][] = []
  const open = new Map<Group, Membership[]>()
  for (const [position, change] of changes.entries()) {
    if (change.type !== 'member') continue
    const known = open.get(change.group)
    if (known !== undefined && known.length < MAX_MEMBERS) {
      known.push({ change, position })
      continue
    }
    const members = [{ change, position }]
    open.set(change.group, members)
    found.push(members)
  }
  return found
}

/** Like `Promise.all`, but rejects only once none of them is under way any more. */
async function bothEnded<A, B>(works: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}
