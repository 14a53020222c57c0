import { type Group, type NodeId, partitionOf, partitionOfConnection, type Uid } from '../../envelope/ids.ts'
import type { Applied, Change } from '../routes.ts'
import type { Commands, RedisClient } from './connection/client.ts'
import { HotScript, type ScriptCall } from './connection/script-call.ts'
import type { RedisHandle } from './handle.ts'
import { connectionField, type Keys, userField } from './keys.ts'
import { writeMember, writeRecords } from './records.ts'
import { bindLua } from './scripts/routes.ts'

const bind = new HotScript(bindLua)

/** How many members of a group one script takes. */
const MAX_MEMBERS = 1_000

/** Writes what nodes say of their own connections. */
export class RouteWrites {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: RedisHandle) {
    this.#client = client
    this.#keys = keys
  }

  /** Writes changes with one script for each partition that users or connections are in, and one for each group. */
  async apply(node: NodeId, changes: readonly Change[]): Promise<Applied> {
    const bindings = bindingsIn(changes)
    const memberships = membershipsIn(changes)
    // Invariant R2: both have ended before anything newer is written, or what is still on its way would overwrite that.
    // Both have to end before anything newer is written: a write that is still on its way would overwrite it.
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
}

type ChangeOf<Type> = Extract<Change, { type: Type }>

/** A change, and the position of its stamp. */
interface Membership {
  readonly change: ChangeOf<'member'>
  readonly position: number
}

/** The changes that one script writes. A change's position is that of its stamp. */
interface PartitionBindings {
  readonly partition: number
  readonly users: { readonly change: ChangeOf<'user'>; readonly position: number }[]
  readonly connections: ChangeOf<'connection'>[]
}

/**
 * Groups changes by partition. A new connection is in its user's partition, so one script writes both, and everything
 * else that is bound there.
 */
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

/** Groups the members of each group into as many as one script takes. */
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

/** Like `Promise.all`, but rejects only once none of them is still running. */
async function bothEnded<A, B>(works: [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}
