import type { NodeId, Uid } from '../../envelope/ids.ts'
import { partitionOf } from '../../envelope/ids.ts'
import {
  MAX_PARKED,
  MAX_PARKED_BYTES,
  PARK_FOR,
  type Parcel,
  type Parked,
  type ParkedMessage,
  type Parking,
} from '../parking.ts'
import type { RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'
import { asBuffer, type ParkedRow, parkedRows } from './records.ts'

/** How many pairs of a message and a user one script takes: at most a few ms of Redis' time. */
const PAIRS = 1_000

/** A message and one of its users, and where the answer for this pair goes. */
interface Pair {
  readonly parcel: Parcel
  readonly uid: Uid
  readonly partition: number
  readonly stamp: number
  readonly answer: (answer: Parked) => void
}

/**
 * Parks messages for users who are on no node. A message is stored once in each partition that some of its users are
 * in.
 */
export class RedisParking implements Parking {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: RedisHandle) {
    this.#client = client
    this.#keys = keys
  }

  async park(parcels: readonly Parcel[], ignored: NodeId | undefined): Promise<readonly (readonly Parked[])[]> {
    const answers: Parked[][] = parcels.map(() => [])
    const pairsOf = new Map<number, Pair[]>()
    for (const [index, parcel] of parcels.entries()) {
      for (const [at, { uid, stamp }] of parcel.users.entries()) {
        const partition = partitionOf(uid)
        const answer = (given: Parked): void => void (answers[index]![at] = given)
        const pair = { parcel, uid, partition, stamp, answer }
        const pairs = pairsOf.get(partition)
        if (pairs === undefined) pairsOf.set(partition, [pair])
        else pairs.push(pair)
      }
    }
    const chunks = this.#togetherIfAllowed([...pairsOf.values()]).flatMap(chunksOf)
    const replies = await this.#client.batch((redis) =>
      chunks.map((chunk) => redis.fltPark(...this.#argumentsFor(chunk, ignored))),
    )
    for (const [index, chunk] of chunks.entries()) {
      const given = (replies[index] as string).split(' ')
      for (const [at, { answer }] of chunk.entries()) answer(given[at] as Parked)
    }
    return answers
  }

  async parkedFor(uid: Uid): Promise<readonly ParkedMessage[]> {
    const partition = partitionOf(uid)
    const key = this.#keys.parked(partition, uid)
    const all = parkedRows(await this.#client.run((redis) => redis.hgetall(key)))
    const rows = all.some(isBrief) ? await this.#withoutLapsed(key, all) : all
    if (rows.length === 0) return []
    const found = await this.#client.batch((redis) =>
      rows.map(({ id }) => redis.hgetBuffer(this.#keys.parkedMessage(partition, id), 'bytes')),
    )
    return rows.flatMap(({ id, since, stamp }, index) => {
      const bytes = found[index] as Buffer | null
      return bytes === null ? [] : { position: `${since} ${id}`, stamp, bytes }
    })
  }

  async unpark(uid: Uid, positions: readonly string[]): Promise<void> {
    if (positions.length === 0) return
    const partition = partitionOf(uid)
    const places = positions.map((position) => {
      const end = position.indexOf(' ')
      return { since: position.slice(0, end), id: position.slice(end + 1) }
    })
    const messages = places.map(({ id }) => this.#keys.parkedMessage(partition, id))
    const keys = [this.#keys.parked(partition, uid), ...messages]
    const args = [PARK_FOR, ...places.flatMap(({ id, since }) => [id, since])]
    await this.#client.run((redis) => redis.fltUnpark(keys.length, ...keys, ...args))
  }

  /**
   * A message is shared by users, and may be kept for one of them longer than for another. So it cannot tell by itself
   * whose time is over.
   */
  async #withoutLapsed(key: string, rows: readonly ParkedRow[]): Promise<readonly ParkedRow[]> {
    const now = Number(await this.#client.run((redis) => redis.fltParkedAt(key)))
    return rows.filter((row) => !isBrief(row) || Number(row.since) + PARK_FOR * 1_000 > now)
  }

  /** Puts all pairs together, except in a cluster: there a script has to keep to one slot, and so to one partition. */
  #togetherIfAllowed(byPartition: readonly (readonly Pair[])[]): readonly (readonly Pair[])[] {
    return this.#client.router === undefined ? [byPartition.flat()] : byPartition
  }

  #argumentsFor(
    pairs: readonly Pair[],
    ignored: NodeId | undefined,
  ): [keyCount: number, ...(string | number | Buffer)[]] {
    const users = new Map<Uid, number>()
    const keys: string[] = []
    for (const { uid, partition } of pairs) {
      if (users.has(uid)) continue
      users.set(uid, users.size + 1)
      keys.push(this.#keys.route(partition, uid), this.#keys.parked(partition, uid))
    }
    const args: (string | number | Buffer)[] = [ignored ?? '', MAX_PARKED, MAX_PARKED_BYTES, PARK_FOR, users.size]
    for (const messagePairs of messagesIn(pairs)) {
      const { parcel, partition } = messagePairs[0]!
      keys.push(this.#keys.parkedMessage(partition, parcel.id))
      args.push(parcel.id, asBuffer(parcel.bytes), parcel.keepFor ?? PARK_FOR, messagePairs.length)
      for (const { uid, stamp } of messagePairs) args.push(users.get(uid)!, stamp)
    }
    return [keys.length, ...keys, ...args]
  }
}

/** Whether the message is kept for less than `PARK_FOR`: then its row bears an earlier time than when it was parked. */
function isBrief({ at, since }: ParkedRow): boolean {
  return Number(since) < at
}

function chunksOf(pairs: readonly Pair[]): (readonly Pair[])[] {
  const chunks: (readonly Pair[])[] = []
  for (let start = 0; start < pairs.length; start += PAIRS) chunks.push(pairs.slice(start, start + PAIRS))
  return chunks
}

/** Groups the pairs by message and partition. Pairs that belong together follow each other. */
function messagesIn(pairs: readonly Pair[]): readonly (readonly Pair[])[] {
  const messages: Pair[][] = []
  let last: Pair | undefined
  for (const pair of pairs) {
    if (pair.parcel === last?.parcel && pair.partition === last.partition) messages.at(-1)!.push(pair)
    else messages.push([pair])
    last = pair
  }
  return messages
}
