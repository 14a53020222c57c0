import type { ShutdownReason } from '../../api.ts'
import { newProcessId, type NodeId } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { DriverSettings } from '../driver.ts'
import type { Eviction, NodeList, NodeRecord, Nodes, Renewal } from '../nodes.ts'
import type { Cleaner } from './cleaner.ts'
import type { RedisClient } from './connection/client.ts'
import type { Epochs } from './epochs.ts'
import type { RedisHandle } from './handle.ts'
import { type Keys, MARKER } from './keys.ts'
import { ALL_PARTITIONS, forAllPartitions } from './partitions.ts'
import { KEEP_GONE, readEpoch, readNodeList } from './records.ts'

/** How long a marker lives, in ms, until its node has made sure that it still holds its lease. */
const UNCONFIRMED_MARKER = 60_000

export class RedisNodes implements Nodes {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #settings: DriverSettings
  readonly #epochs: Epochs
  readonly #cleaner: Cleaner

  constructor({ client, keys, settings }: RedisHandle, epochs: Epochs, cleaner: Cleaner) {
    this.#client = client
    this.#keys = keys
    this.#settings = settings
    this.#epochs = epochs
    this.#cleaner = cleaner
  }

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
    // Invariant N6: markers stay only if the lease was still there when all of them were set.
    const renewal = await this.renew(node, 0)
    if (renewal.type === 'evicted')
      throw new FlotillaError('FLT_STORE_AWAY', `${node} was evicted while it joined: join again under a new id`)
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
    this.#epochs.tellTime(now)
    return { type: 'renewed', version, overdue, orphaned, nextExpiry: next < 0 ? undefined : next }
  }

  /**
   * Whether every master of a cluster still has the node's markers: one may have lost all its data. If unknown in time,
   * assume yes: the store still fences writes.
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
    this.#epochs.tellTime(now)
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
}
