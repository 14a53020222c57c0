import { type NodeId, partitionOf, partitionOfConnection } from '../../envelope/ids.ts'
import type { Located, Lookup, Route } from '../routes.ts'
import type { RedisClient } from './connection/client.ts'
import type { Epochs } from './epochs.ts'
import type { RedisHandle } from './handle.ts'
import { connectionField, type Keys } from './keys.ts'
import { nodesIn, readEpoch, readNodes } from './records.ts'
import { type Asked, byPartition, readRoutes, type Told } from './route-reads.ts'

/** Finds users, groups and connections, all that is asked for in one round trip. */
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
    const asked = byPartition(uids, [...groupParts, ...connectionParts])
    const [told, ...rest] = await this.#read(asked, lookup)
    const sayings = new Map<number, Saying>()
    const found: Route[] = Array.from({ length: uids.length })
    for (const [index, { partition, positions }] of asked.entries()) {
      const { epoch, stamp } = readEpoch(told[index]![0])
      const settled = this.#epochs.isSettled(partition, epoch)
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
    return this.#epochs.isInDoubt ? doubted(located) : located
  }

  /**
   * Epochs come first: with a stamp older than what is found, somebody may have to be remembered; with a younger one,
   * somebody would miss the message.
   */
  async #read(asked: readonly Asked[], { groups, connections }: Lookup): Promise<[Told[], ...unknown[]]> {
    if (asked.length === 0) return [[]]
    const isCluster = this.#client.router !== undefined
    const replies = await this.#client.batch((redis) => [
      // Invariant R4: epochs and stamps are read before groups.
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
}

/** After a loss, what is nowhere may be written again in a moment. */
function doubted({ uids, groups, connections }: Located): Located {
  const doubt = (route: Route): Route => (route.nodes.length === 0 ? { ...route, settled: false } : route)
  return { uids: uids.map(doubt), groups: groups.map(doubt), connections: connections.map(doubt) }
}

/** What a partition says of all its users and groups. */
type Saying = Pick<Route, 'stamp' | 'settled'>
