import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { DriverSettings } from '../driver.ts'
import type { Entry } from '../entry.ts'
import type { RedisClient } from './connection/client.ts'
import { ReaderLine } from './connection/reader-line.ts'
import { isStamp } from './records.ts'

/** How many entries one read takes. As batches have up to 1 MiB, this bounds the memory that a burst costs. */
const READ_COUNT = 16
const RETRY_PAUSE = 50

export interface RawEntry {
  readonly id: string
  /** Field names and values, alternating. */
  readonly fields: readonly Buffer[]
  /** The server that the entry was read from, if that matters: another server may give the same id to another entry. */
  readonly origin?: string
}

export interface StreamPlace {
  readonly key: string
  readonly role: string
  /** The id of the entry after which to read. Called for each new connection. */
  start(): Promise<string>
}

/**
 * Reads an entry. Its fields are `d`, the batch; `p`, how many bytes the stream had taken with it; and perhaps `s`, a
 * stamp. An entry that is not ours may have others. Its id begins with the time in ms (Redis Streams: XADD).
 */
export function toEntry({ id, fields, origin = '' }: RawEntry): Entry {
  const [, bytes = Buffer.alloc(0), , taken, , given] = fields
  const count = Number(taken ?? 0)
  const offset = Number.isSafeInteger(count) && count >= 0 ? count : 0
  const entry = { position: `${id} ${offset} ${origin}`, bytes, offset, at: Number.parseInt(id, 10) * 1_000 }
  const stamp = Number(given ?? Number.NaN)
  return isStamp(stamp) ? { ...entry, stamp } : entry
}

/**
 * Follows one stream on a connection of its own, so that an entry wakes it at once. A stream that was renamed, deleted
 * or flushed wakes nobody (Redis Streams: XREAD), so no read blocks for longer than a heartbeat. A new connection may
 * lead to a replica that took over and gives new entries smaller ids than those that were read. So each new connection
 * begins from the start, and its user must recognize entries that come twice.
 */
export class StreamReader {
  readonly #line: ReaderLine
  readonly #place: StreamPlace
  readonly #blockFor: number
  readonly #done: Promise<void>
  /** The connection that the cursor belongs to, until it closes. */
  #reading: Redis | undefined
  #cursor = '0'
  #stopped = false

  constructor(
    client: RedisClient,
    settings: DriverSettings,
    place: StreamPlace,
    handler: (entries: readonly RawEntry[]) => Promise<void>,
  ) {
    this.#line = new ReaderLine(client, settings, place.role, place.key)
    this.#place = place
    this.#blockFor = settings.heartbeat
    this.#done = this.#loop(handler)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#line.close()
    await this.#done
  }

  async #loop(handler: (entries: readonly RawEntry[]) => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      const entries = await this.#read()
      if (entries.length === 0 || this.#stopped) continue
      this.#cursor = entries.at(-1)!.id
      await handler(entries)
    }
  }

  async #read(): Promise<RawEntry[]> {
    try {
      const redis = await this.#line.open()
      if (redis === undefined || this.#stopped) return await this.#pause()
      if (redis !== this.#reading) await this.#begin(redis)
      this.#line.prepare(redis)
      const [count, block, key] = [READ_COUNT, this.#blockFor, this.#place.key]
      // Invariant K4: no read blocks for longer than a heartbeat.
      const reply = await redis.xreadBuffer('COUNT', count, 'BLOCK', block, 'STREAMS', key, this.#cursor)
      const [stream] = (reply ?? []) as [Buffer, [Buffer, Buffer[]][]][]
      const origin = this.#line.runId ?? ''
      return stream === undefined ? [] : stream[1].map(([id, fields]) => ({ id: id.toString(), fields, origin }))
    } catch (error) {
      // The connection was lost, Redis is loading, or the stream has moved: read on as soon as it is back.
      this.#line.failed(error)
      return this.#pause()
    }
  }

  /** @throws Error if the connection is lost meanwhile: at the next one, the place to read from may be another */
  async #begin(redis: Redis): Promise<void> {
    let isLost = false
    const lost = (): void => {
      isLost = true
      this.#reading = undefined
    }
    redis.once('close', lost)
    try {
      // Invariant B9: behind a new connection, new entries may stand before what was read.
      this.#cursor = await this.#place.start()
      if (isLost) throw new Error('the connection was lost')
    } catch (error) {
      redis.off('close', lost)
      throw error
    }
    this.#reading = redis
  }

  async #pause(): Promise<RawEntry[]> {
    if (!this.#stopped) await sleep(RETRY_PAUSE)
    return []
  }
}
