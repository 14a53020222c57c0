import { Command } from 'ioredis'
import { partitionOf, type Uid } from '../../envelope/ids.ts'
import type { Commands } from './connection/client.ts'
import { isTryAgain } from './connection/refusal.ts'
import type { Keys } from './keys.ts'

/** Users of one partition who are asked for, and their positions among all. */
export interface Asked {
  readonly partition: number
  readonly uids: Uid[]
  readonly positions: number[]
}

/** @param partitions of which the epoch is asked for, too */
export function byPartition(uids: readonly Uid[], partitions: readonly number[]): readonly Asked[] {
  const found = new Map<number, Asked>()
  const within = (partition: number): Asked => {
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

/** A partition's epoch, and what it says of each user who was asked for. */
export type Told = readonly [epoch: string | null, ...routes: (string | null)[]]

/**
 * Reads epochs and routes: with one command from a single server, and from a cluster with one for each slot, which refuses
 * others (Redis Cluster: CROSSSLOT). The commands are written down here, for a lookup may be of ten thousand users: the
 * partition is known, and with it the slot, so that no key is looked at again.
 */
export function readRoutes(redis: Commands, keys: Keys, asked: readonly Asked[], isCluster: boolean): Promise<Told[]> {
  if (isCluster) return Promise.all(asked.map((each) => readPartition(redis, keys, each)))
  return readAtOnce(redis, keys, asked)
}

async function readAtOnce(redis: Commands, keys: Keys, asked: readonly Asked[]): Promise<Told[]> {
  if (asked.length === 0) return []
  const values = await send(redis, new RouteRead(keys, asked))
  let start = 0
  return asked.map(({ uids }) => values.slice(start, (start += 1 + uids.length)) as unknown as Told)
}

/**
 * While a slot moves, some of its keys are here and some there: then one by one, the epoch before the others, so that it is
 * not newer than what is found beside it.
 */
async function readPartition(redis: Commands, keys: Keys, asked: Asked): Promise<Told> {
  try {
    return (await send(redis, new RouteRead(keys, [asked]))) as unknown as Told
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

/** One MGET, written down when it is made. */
class RouteRead extends Command {
  readonly #bytes: string
  readonly #slot: number

  constructor(keys: Keys, asked: readonly Asked[]) {
    super('mget', [], { replyEncoding: 'utf8' })
    let [bytes, count] = ['', 1]
    for (const { partition, uids } of asked) {
      const [epoch, routes] = [keys.epoch(partition), keys.routes(partition)]
      // A prefix has neither spaces nor letters of two bytes.
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
