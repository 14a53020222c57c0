import type { Group, NodeId, Uid } from '../../envelope/ids.ts'
import type { RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import { type Keys, uidOfField, userField } from './keys.ts'
import { ALL_PARTITIONS, forAllPartitions } from './partitions.ts'
import { uidOfMember } from './records.ts'

/** How many users, groups or members one script, or one answer, may be about: this takes Redis at most a few ms. */
const MOST = 1_000

/**
 * How many partitions are worked on at once. One after another would take too long: a node that soon dies again would
 * not get far.
 */
const AT_ONCE = 32

/**
 * Removes what an evicted node had written, and reads before that who was in its groups. It takes a few partitions at a
 * time, so that Redis serves others in between.
 */
export class Cleaner {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: RedisHandle) {
    this.#client = client
    this.#keys = keys
  }

  /** Removes everything except who was in its groups. */
  unlist(node: NodeId): Promise<void> {
    return this.#remove(node, { keepsMembers: true })
  }

  clean(node: NodeId): Promise<void> {
    return this.#remove(node, { keepsMembers: false })
  }

  async #remove(node: NodeId, { keepsMembers }: { keepsMembers: boolean }): Promise<void> {
    const [fields, groups] = await Promise.all([
      forAllPartitions(this.#client, (redis, partition) => redis.hkeys(this.#keys.holdings(partition, node))),
      this.#groupsOf(node),
    ])
    await aFewAtATime((partition) =>
      this.#cleanPartition(node, partition, fields[partition] as string[], groups[partition]!, keepsMembers),
    )
  }

  async groupsOn(node: NodeId): Promise<Map<Group, Uid[]>> {
    const found = new Map<Group, Uid[]>()
    const groups = await this.#groupsOf(node)
    await aFewAtATime(async (partition) => {
      for (const chunk of chunks(groups[partition]!)) await this.#addMembers(node, partition, chunk, found)
    })
    return found
  }

  #groupsOf(node: NodeId): Promise<Group[][]> {
    return forAllPartitions(this.#client, (redis, partition) =>
      redis.smembers(this.#keys.groupsOf(partition, node)),
    ) as Promise<Group[][]>
  }

  async #cleanPartition(
    node: NodeId,
    partition: number,
    fields: readonly string[],
    groups: readonly Group[],
    keepsMembers: boolean,
  ): Promise<void> {
    const keys = this.#keys
    const uids = fields.flatMap((field) => uidOfField(field) ?? [])
    if (fields.length + groups.length === 0) return
    // Invariant K7: in portions, so that others are served in between.
    for (const { users, portionGroups, isLast } of portions(uids, groups)) {
      const all = [
        keys.holdings(partition, node),
        keys.epoch(partition),
        keys.groupsOf(partition, node),
        ...users.map((uid) => keys.route(partition, uid)),
        ...portionGroups.map((group) => keys.groupRoute(partition, group)),
        ...portionGroups.map((group) => keys.groupMembers(partition, group, node)),
      ]
      const args = [node, isLast ? 1 : 0, keepsMembers ? 1 : 0, users.length, ...users.map(userField), ...portionGroups]
      await this.#client.run((redis) => redis.fltClean(all.length, ...all, ...args))
    }
  }

  /** Reads as many groups at a time as have at most `MOST` members together, and a larger group piece by piece. */
  async #addMembers(
    node: NodeId,
    partition: number,
    groups: readonly Group[],
    found: Map<Group, Uid[]>,
  ): Promise<void> {
    const keyOf = (group: Group): string => this.#keys.groupMembers(partition, group, node)
    for (let start = 0; start < groups.length;) {
      const rest = groups.slice(start)
      const members = (await this.#client.run((redis) => redis.fltMembersOn(rest.length, rest.map(keyOf), MOST))) as (
        | string[]
        | null
      )[]
      for (const [index, values] of members.entries()) {
        const group = rest[index]!
        const uids = new Set((values ?? (await this.#scan(keyOf(group)))).flatMap((value) => uidOfMember(value) ?? []))
        if (uids.size > 0) found.set(group, [...uids])
      }
      start += members.length
    }
  }

  /** The values of a large hash. Some may come twice. */
  async #scan(key: string): Promise<string[]> {
    const values: string[] = []
    let cursor = '0'
    do {
      const [next, flat] = await this.#client.run((redis) => redis.hscan(key, cursor, 'COUNT', MOST))
      for (let at = 1; at < flat.length; at += 2) values.push(flat[at]!)
      cursor = next
    } while (cursor !== '0')
    return values
  }
}

async function aFewAtATime(work: (partition: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < ALL_PARTITIONS.length; start += AT_ONCE) {
    await Promise.all(ALL_PARTITIONS.slice(start, start + AT_ONCE).map(work))
  }
}

/** The part of a partition that one script cleans. */
interface Portion {
  readonly users: readonly Uid[]
  readonly portionGroups: readonly Group[]
  readonly isLast: boolean
}

/** At least one portion, which may be empty. */
function* portions(uids: readonly Uid[], groups: readonly Group[]): Generator<Portion> {
  const count = uids.length + groups.length
  for (let start = 0, isLast = false; !isLast; start += MOST) {
    const end = start + MOST
    isLast = end >= count
    const portionGroups = groups.slice(Math.max(0, start - uids.length), Math.max(0, end - uids.length))
    yield { users: uids.slice(start, end), portionGroups, isLast }
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += MOST) yield items.slice(start, start + MOST)
}
