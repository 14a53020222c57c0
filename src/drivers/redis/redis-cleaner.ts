import type { Group, NodeId, Uid } from '../../protocol/ids.ts'
import type { RedisClient } from './client.ts'
import { type Keys, uidOfField, userField } from './keys.ts'
import { ALL_PARTITIONS, forAllPartitions } from './partitions.ts'
import { readMember } from './records.ts'

/** Users or groups that one script takes: at most a few ms of Redis' time. */
const CLEAN_CHUNK = 200

/** Removes what an evicted node had written: a few at a time, so that Redis serves others in between. */
export class RedisCleaner {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor(client: RedisClient, keys: Keys) {
    this.#client = client
    this.#keys = keys
  }

  async clean(node: NodeId): Promise<void> {
    const fields = (await forAllPartitions(this.#client, (redis, partition) =>
      redis.hkeys(this.#keys.holdings(partition, node)),
    )) as string[][]
    const groups = await this.#groupsOf(node)
    for (const partition of ALL_PARTITIONS) {
      const uids = fields[partition]!.flatMap((field) => uidOfField(field) ?? [])
      await this.#cleanUsers(node, partition, uids)
      await this.#cleanGroups(node, partition, groups[partition]!)
    }
    await forAllPartitions(this.#client, (redis, partition) =>
      redis.fltCleanRest(this.#keys.holdings(partition, node), this.#keys.groupsOf(partition, node)),
    )
  }

  /** Read a few at a time, like the rest of what is done after a node. */
  async groupsOn(node: NodeId): Promise<Map<Group, Uid[]>> {
    const groups = await this.#groupsOf(node)
    const found = new Map<Group, Uid[]>()
    for (const [partition, names] of groups.entries()) {
      for (const chunk of chunks(names)) {
        const members = await this.#client.batch((redis) =>
          chunk.map((group) => redis.hgetall(this.#keys.groupMembers(partition, group, node))),
        )
        for (const [index, group] of chunk.entries()) {
          const hash = members[index] as Record<string, string>
          const uids = Object.entries(hash).flatMap(([id, value]) => readMember(id, node, value)?.uid ?? [])
          if (uids.length > 0) found.set(group, [...new Set(uids)] as Uid[])
        }
      }
    }
    return found
  }

  #groupsOf(node: NodeId): Promise<Group[][]> {
    return forAllPartitions(this.#client, (redis, partition) =>
      redis.smembers(this.#keys.groupsOf(partition, node)),
    ) as Promise<Group[][]>
  }

  async #cleanUsers(node: NodeId, partition: number, uids: readonly Uid[]): Promise<void> {
    for (const chunk of chunks(uids)) {
      const keys = [
        this.#keys.holdings(partition, node),
        this.#keys.epoch(partition),
        ...chunk.map((uid) => this.#keys.route(partition, uid)),
      ]
      await this.#client.run((redis) => redis.fltCleanUsers(keys.length, ...keys, node, ...chunk.map(userField)))
    }
  }

  async #cleanGroups(node: NodeId, partition: number, groups: readonly Group[]): Promise<void> {
    for (const chunk of chunks(groups)) {
      const keys = [
        this.#keys.holdings(partition, node),
        this.#keys.epoch(partition),
        this.#keys.groupsOf(partition, node),
        ...chunk.flatMap((group) => [
          this.#keys.groupRoute(partition, group),
          this.#keys.groupMembers(partition, group, node),
        ]),
      ]
      await this.#client.run((redis) => redis.fltCleanGroups(keys.length, ...keys, node, ...chunk))
    }
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += CLEAN_CHUNK) yield items.slice(start, start + CLEAN_CHUNK)
}
