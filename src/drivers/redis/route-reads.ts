import { Command } from 'ioredis'
import { partitionOf, type Uid } from '../../envelope/ids.ts'
import type { Commands } from './connection/client.ts'
import { isTryAgain } from './connection/refusal.ts'
import type { Keys } from './keys.ts'

/** The users of one partition that a lookup asks for, and their positions in the lookup. */
export interface PartitionQuery {
  readonly partition: number
  readonly uids: Uid[]
  readonly positions: number[]
}

/** @param partitions partitions whose epoch is asked for, even if no user is in them */
export function byPartition(uids: readonly Uid[], partitions: readonly number[]): readonly PartitionQuery[] {
  const found = new Map<number, PartitionQuery>()
  const within = (partition: number): PartitionQuery => {
    const known = found.get(partition)
    if (known !== undefined) return known
    const asked = { partition, uids: [], positions: [] }
    found.set(partition, asked)
    return asked
  }
  for (const partition of partitions) within(partition)
  for (let position = 0; position < uids.length; position++) {
    const asked = within(partitionOf(uids[position]!))
    asked.uids.push(uids[position]!)
    asked.positions.push(position)
  }
  return [...found.values()]
}

/** A partition's epoch and stamp, and the route of each user that was asked for. */
export type PartitionReply = readonly [epoch: string | null, ...routes: (string | null)[]]

/**
 * Reads epochs and routes: with one command from a single server, and with one command for each slot from a cluster,
 * which refuses others (Redis Cluster: CROSSSLOT). The commands are serialized here, because a lookup may ask for ten
 * thousand users: the partition is known, and with it the slot, so no key has to be hashed.
 */
export function readRoutes(
  redis: Commands,
  keys: Keys,
  asked: readonly PartitionQuery[],
  isCluster: boolean,
): Promise<PartitionReply[]> {
  if (isCluster) return Promise.all(asked.map((each) => readPartition(redis, keys, each)))
  return readAtOnce(redis, keys, asked)
}

async function readAtOnce(redis: Commands, keys: Keys, asked: readonly PartitionQuery[]): Promise<PartitionReply[]> {
  if (asked.length === 0) return []
  const values = await send(redis, new RouteRead(keys, asked))
  let start = 0
  return asked.map(({ uids }) => values.slice(start, (start += 1 + uids.length)) as unknown as PartitionReply)
}

/**
 * While a slot moves, some of its keys are at one master and some at another. Then keys are read one by one. The epoch
 * comes first, so that its stamp is not newer than the routes.
 */
async function readPartition(redis: Commands, keys: Keys, asked: PartitionQuery): Promise<PartitionReply> {
  try {
    return (await send(redis, new RouteRead(keys, [asked]))) as unknown as PartitionReply
  } catch (error) {
    // Invariant K5: a slot that moves costs single reads, not an error.
    if (!isTryAgain(error)) throw error
    const { partition, uids } = asked
    // Invariant R4: the epoch, and with it the stamp, is read before the routes.
    const epoch = await redis.get(keys.epoch(partition))
    return [epoch, ...(await Promise.all(uids.map((uid) => redis.get(keys.route(partition, uid)))))]
  }
}

function send(redis: Commands, read: RouteRead): Promise<(string | null)[]> {
  void redis.sendCommand(read)
  return read.promise as Promise<(string | null)[]>
}

/** One MGET, serialized when it is made. */
class RouteRead extends Command {
  readonly #bytes: string
  readonly #slot: number

  constructor(keys: Keys, asked: readonly PartitionQuery[]) {
    super('mget', [], { replyEncoding: 'utf8' })
    let [bytes, count] = ['', 1]
    for (const { partition, uids } of asked) {
      const [epoch, routes] = [keys.epoch(partition), keys.routes(partition)]
      // A key's prefix is ASCII without spaces, so its length in letters is its length in bytes.
      bytes += `$${epoch.length}\r\n${epoch}\r\n`
      for (const uid of uids) bytes += `$${routes.length + Buffer.byteLength(uid)}\r\n${routes}${uid}\r\n`
      count += 1 + uids.length
    }
    this.#bytes = `*${count}\r\n$4\r\nMGET\r\n${bytes}`
    this.#slot = keys.slot(asked[0]!.partition)
  }

  override getSlot(): number {
    return this.#slot
  }

  override toWritable(): string {
    return this.#bytes
  }
}
