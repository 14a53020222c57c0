import type { NodeId } from '../../envelope/ids.ts'
import {
  type Append,
  type Appended,
  type Channel,
  type Log,
  type LogExtent,
  type LogPosition,
  ACKED_MARGIN,
  MAX_LOG_BYTES,
  type Page,
  type PageRequest,
} from '../log.ts'
import type { Route } from '../routes.ts'
import type { Appends } from './appends.ts'
import type { RedisClient } from './connection/client.ts'
import { HotScript } from './connection/script-call.ts'
import type { RedisHandle } from './handle.ts'
import { readMessage, writeMessage } from './kept-messages.ts'
import type { Keys, LogKeys } from './keys.ts'
import { nodesIn, readEpoch } from './records.ts'
import { appendLua, readLogLua } from './scripts/log.ts'
import { inSlots } from './slots.ts'

const append = new HotScript(appendLua)
const readLog = new HotScript(readLogLua)

/** How many messages one script appends, and how many bytes about: a few ms of Redis. */
const MOST = { count: 100, bytes: 2 ** 20 }
/** How many logs one script reads about. */
const MANY = 1_000

/** Makes a route of what a script found: the epoch and stamp of the partition, and nodes. */
export type RouteReader = (keys: LogKeys, epoch: string, nodes: readonly NodeId[]) => Route

export class RedisLog implements Log {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #appends: Appends
  readonly #routeOf: RouteReader

  constructor({ client, keys }: RedisHandle, appends: Appends, routeOf: RouteReader) {
    this.#client = client
    this.#keys = keys
    this.#appends = appends
    this.#routeOf = routeOf
  }

  async append(appends: readonly Append[]): Promise<readonly Appended[]> {
    const items = appends.map((asked) => ({
      asked,
      keys: this.#keys.log(asked.channel),
      row: writeMessage(asked.message),
    }))
    const chunks = inSlots(this.#client, items, MOST.count, ({ row }) => row.length / MOST.bytes)
    const began = performance.now()
    let attempts = 0
    const replies = await this.#appends.callEach(append, () => {
      // Invariant L2: an attempt whose reply was lost may have been carried out.
      const ago = attempts++ === 0 ? undefined : performance.now() - began
      return chunks.map((chunk) => {
        const keys = chunk.flatMap(({ item: { keys } }) => [
          keys.epoch,
          keys.route,
          keys.list,
          keys.meta,
          keys.subjects,
        ])
        const args = chunk.flatMap(({ item: { asked, row } }) => [ruleOf(asked), sinceOf(asked, ago), row])
        return append.call(keys, args)
      })
    })
    const answers: Appended[] = Array.from({ length: appends.length })
    for (const [index, chunk] of chunks.entries()) {
      const rows = replies[index] as AppendReply[]
      for (const [at, { item, position }] of chunk.entries()) answers[position] = this.#appended(item.keys, rows[at]!)
    }
    return answers
  }

  async readLog(channel: Channel, { from = 1, before, count, bytes }: PageRequest): Promise<Page> {
    const { epoch, list, meta } = this.#keys.log(channel)
    const args = [before === undefined ? '0' : '1', String(before ?? from), String(count), String(bytes)]
    const [reply] = await this.#client.callEach(readLog, () => [readLog.call([epoch, list, meta], args, null)])
    const [partition, born, terms, ...rest] = reply as [
      Buffer,
      Buffer,
      Buffer[],
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer[],
    ]
    const [first, top, pageFrom, to] = rest.slice(0, 4).map(String)
    const extent = readExtent([String(partition), String(born), terms.map(String), first!, top!])
    const rows = before === undefined ? rest[4] : rest[4].toReversed()
    const messages = rows.flatMap((row) => readMessage(row) ?? [])
    return { ...extent, from: Number(pageFrom), to: Number(to), messages }
  }

  async extents(channels: readonly Channel[]): Promise<readonly LogExtent[]> {
    const items = channels.map((channel) => ({ keys: this.#keys.log(channel) }))
    const chunks = inSlots(this.#client, items, MANY)
    const replies = await this.#client.batch((redis) =>
      chunks.map((chunk) => {
        const keys = chunk.flatMap(({ item: { keys } }) => [keys.epoch, keys.list, keys.meta])
        return redis.fltExtents(keys.length, ...keys)
      }),
    )
    const found: LogExtent[] = Array.from({ length: channels.length })
    for (const [index, chunk] of chunks.entries()) {
      const rows = replies[index] as ExtentReply[]
      for (const [at, { position }] of chunk.entries()) found[position] = readExtent(rows[at]!)
    }
    return found
  }

  async erase(channel: Channel, { epoch, term, number }: LogPosition): Promise<boolean> {
    const { list, meta, subjects } = this.#keys.log(channel)
    const born = birthIn(epoch)
    return (await this.#client.run((redis) => redis.fltErase(list, meta, subjects, born, term, number))) === 1
  }

  async eraseAll(channel: Channel): Promise<void> {
    const { list, meta, subjects } = this.#keys.log(channel)
    await this.#client.run((redis) => redis.fltEraseAll(list, meta, subjects))
  }

  #appended(keys: LogKeys, [text, born, term, partition, nodes]: AppendReply): Appended {
    const number = Number(text)
    const route = this.#routeOf(keys, partition, nodesIn(nodes.split(' ')))
    return { number, previous: number - 1, epoch: epochOf(partition, born), term, route }
  }
}

type AppendReply = [number: string, born: string, term: string, epoch: string, nodes: string]
type ExtentReply = [epoch: string, born: string, terms: string[], first: string, top: string]

/** "last for bytes isCompact untilAcked margin" */
function ruleOf({ keep: { last, for: life, compact, untilAcked } }: Append): string {
  const flags = `${compact === true ? 1 : 0} ${untilAcked === true ? 1 : 0}`
  return `${last} ${Math.ceil(life)} ${MAX_LOG_BYTES} ${flags} ${ACKED_MARGIN}`
}

function sinceOf({ triedAgo }: Append, ago: number | undefined): string {
  if (triedAgo === undefined && ago === undefined) return '-1'
  return String(Math.ceil((triedAgo ?? 0) + (ago ?? 0)))
}

/** @param partition "epoch stamp" of the partition */
function epochOf(partition: string, born: string): string {
  return `${readEpoch(partition).epoch ?? ''}/${born}`
}

/** The birth of a log, which alone a script compares: a partition that was lost has lost its logs as well. */
export function birthIn(epoch: string): string {
  return epoch.slice(epoch.lastIndexOf('/') + 1)
}

function readExtent([partition, born, terms, first, top]: ExtentReply): LogExtent {
  return {
    epoch: epochOf(partition, born),
    terms: terms.map((text) => {
      const end = text.lastIndexOf(' ')
      return { name: text.slice(0, end), begin: Number(text.slice(end + 1)) }
    }),
    first: Number(first),
    top: Number(top),
  }
}
