import type { ConnectionInfo } from '../../api.ts'
import { type Group, type NodeId, partitionOf, type Uid } from '../../envelope/ids.ts'
import type { Applied, Change, Located, Lookup, Routes } from '../routes.ts'
import type { Cleaner } from './cleaner.ts'
import type { RedisClient } from './connection/client.ts'
import { DirectAppends } from './direct-appends.ts'
import type { Epochs } from './epochs.ts'
import type { RedisHandle } from './handle.ts'
import { type Keys, userField } from './keys.ts'
import { Lookups } from './lookups.ts'
import { MemberPages } from './member-pages.ts'
import { readNodes, readRecords } from './records.ts'
import { RouteWrites } from './route-writes.ts'

export class RedisRoutes implements Routes {
  readonly appendWhereFound?: NonNullable<Routes['appendWhereFound']>
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #cleaner: Cleaner
  readonly #writes: RouteWrites
  readonly #lookups: Lookups
  readonly #pages: MemberPages

  /** @param hasInboxes whether the inboxes are on the same server, and nothing else is needed for an append */
  constructor(handle: RedisHandle, epochs: Epochs, cleaner: Cleaner, { hasInboxes }: { hasInboxes: boolean }) {
    this.#client = handle.client
    this.#keys = handle.keys
    this.#cleaner = cleaner
    this.#writes = new RouteWrites(handle)
    this.#lookups = new Lookups(handle, epochs)
    this.#pages = new MemberPages(handle)
    if (!hasInboxes) return
    const directly = new DirectAppends(handle, epochs)
    this.appendWhereFound = async (...call) => (epochs.isInDoubt ? undefined : directly.append(...call))
  }

  apply(node: NodeId, changes: readonly Change[]): Promise<Applied> {
    return this.#writes.apply(node, changes)
  }

  locate(lookup: Lookup): Promise<Located> {
    return this.#lookups.locate(lookup)
  }

  unroute(node: NodeId, uids: readonly Uid[]): Promise<void> {
    return this.#writes.unroute(node, uids)
  }

  groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>> {
    return this.#cleaner.groupsOn(node)
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

  members(...page: Parameters<Routes['members']>): ReturnType<Routes['members']> {
    return this.#pages.read(...page)
  }
}
