import { type NodeId, partitionOf, partitionOfConnection } from '../../envelope/ids.ts'
import type { Located, Lookup, Route } from '../routes.ts'
import type { RedisClient } from './connection/client.ts'
import type { Epochs } from './epochs.ts'
import type { RedisHandle } from './handle.ts'
import { connectionField, type Keys } from './keys.ts'
import type { RouteReader } from './log.ts'
import { nodesIn, readEpoch, readNodes } from './records.ts'
import { type PartitionQuery, byPartition, readRoutes, type PartitionReply } from './route-reads.ts'

/** Finds users, groups and connections: everything that one lookup asks for, in one round trip. */
export class Lookups {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #epochs: Epochs

  constructor({ client, keys }: RedisHandle, epochs: Epochs) {
    this.#client = client
    this.#keys = keys
    this.#epochs = epochs
  }

  async locate(lookup: Lookup): Promise<Located> {
    const { uids, groups, connections } = lookup
    const groupParts = groups.map(partitionOf)
    const connectionParts = connections.map(({ connection }) => partitionOfConnection(connection) ?? 0)
    const queries = byPartition(uids, [...groupParts, ...connectionParts])
    const [replies, ...rest] = await this.#read(queries, lookup)
    const states = new Map<number, PartitionState>()
    const found: Route[] = Array.from({ length: uids.length })
    for (const [index, { partition, positions }] of queries.entries()) {
      const { epoch, stamp } = readEpoch(replies[index]![0])
      const settled = this.#epochs.isSettled(partition, epoch)
      states.set(partition, { stamp, settled })
      // A plain loop, because a lookup may ask for ten thousand users.
      for (let at = 0; at < positions.length; at++) {
        found[positions[at]!] = { nodes: readNodes(replies[index]![at + 1]), stamp, settled }
      }
    }
    const route = (partition: number, nodes: readonly NodeId[]): Route => ({ nodes, ...states.get(partition)! })
    const located: Located = {
      uids: found,
      groups: groups.map((_, index) => route(groupParts[index]!, nodesIn(rest[index] as string[]))),
      connections: connections.map(({ node }, index): Route => {
        const isThere = node !== undefined && rest[groups.length + index] === 1
        return { ...route(connectionParts[index]!, isThere ? [node] : []), stamp: 0 }
      }),
    }
    return this.#epochs.isInDoubt ? doubted(located) : located
  }

  /**
   * Reads epochs, and with them stamps, before routes. If a stamp is older than its route, a node at worst has to
   * remember who has had the push. If it were newer, somebody would miss the push.
   */
  async #read(
    queries: readonly PartitionQuery[],
    { groups, connections }: Lookup,
  ): Promise<[PartitionReply[], ...unknown[]]> {
    if (queries.length === 0) return [[]]
    const isCluster = this.#client.router !== undefined
    const replies = await this.#client.batch((redis) => [
      // Invariant R4: epochs and stamps are read before groups.
      readRoutes(redis, this.#keys, queries, isCluster),
      ...groups.map((group) => redis.hkeys(this.#keys.groupRoute(partitionOf(group), group))),
      ...connections.map(({ connection, node }) => {
        // No node has an empty id. So a connection whose node is unknown is found nowhere, and keeps its place among
        // the replies.
        const holdings = this.#keys.holdings(partitionOfConnection(connection) ?? 0, node ?? ('' as NodeId))
        return redis.hexists(holdings, connectionField(connection))
      }),
    ])
    return replies as [PartitionReply[], ...unknown[]]
  }
}

/** Makes routes of what an append found, as a lookup would. */
export function locatedBy(epochs: Epochs): RouteReader {
  return ({ partition }, text, nodes) => {
    const { epoch, stamp } = readEpoch(text === '' ? undefined : text)
    const settled = epochs.isSettled(partition, epoch)
    return { nodes, stamp, settled: settled && !(epochs.isInDoubt && nodes.length === 0) }
  }
}

/** After a loss, whoever is on no node may be bound again in a moment. */
function doubted({ uids, groups, connections }: Located): Located {
  const doubt = (route: Route): Route => (route.nodes.length === 0 ? { ...route, settled: false } : route)
  return { uids: uids.map(doubt), groups: groups.map(doubt), connections: connections.map(doubt) }
}

/** The answer of a partition that holds for all its users and groups. */
type PartitionState = Pick<Route, 'stamp' | 'settled'>
