import type { Redis } from 'ioredis'
import type { DriverSettings } from '../driver.ts'
import type { Entry } from '../queue.ts'
import { connectReader } from './client.ts'

/** How many entries one read takes at most: with batches of 1 MiB, the memory that a burst can cost. */
const READ_COUNT = 16
const RETRY_PAUSE = 50

export interface RawEntry {
  readonly id: string
  /** Field names and values, alternating. */
  readonly fields: readonly Buffer[]
}

/** An entry has the fields `d`, the batch, and `p`, how many bytes the stream had taken with it. */
export function toEntry({ id, fields }: RawEntry): Entry {
  const [, bytes = Buffer.alloc(0), , taken] = fields
  const order = Number(taken ?? 0)
  return { position: `${id} ${order}`, bytes, order }
}

/**
 * Follows one stream on a connection of its own, so that an entry wakes it at once. A stream that was renamed, deleted
 * or flushed wakes nobody (Redis Streams: XREAD), therefore no read blocks for longer than a heartbeat.
 */
export class StreamReader {
  readonly #redis: Redis
  readonly #key: string
  readonly #blockFor: number
  readonly #done: Promise<void>
  #cursor: string
  #stopped = false
  #wake: (() => void) | undefined

  constructor(
    url: string,
    settings: DriverSettings,
    stream: { key: string; role: string; cursor: string },
    handler: (entries: readonly RawEntry[]) => Promise<void>,
  ) {
    this.#redis = connectReader(url, settings, stream.role)
    this.#key = stream.key
    this.#cursor = stream.cursor
    this.#blockFor = settings.heartbeat
    this.#done = this.#loop(handler)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#redis.disconnect()
    // A client that was just about to reconnect says nothing more.
    this.#wake?.()
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
      if (this.#redis.status !== 'ready') await this.#ready()
      const [count, block, key] = [READ_COUNT, this.#blockFor, this.#key]
      const reply = await this.#redis.xreadBuffer('COUNT', count, 'BLOCK', block, 'STREAMS', key, this.#cursor)
      const [stream] = (reply ?? []) as [Buffer, [Buffer, Buffer[]][]][]
      return stream === undefined ? [] : stream[1].map(([id, fields]) => ({ id: id.toString(), fields }))
    } catch {
      // The connection was lost or Redis is loading: read on from the same place as soon as it is back.
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE))
      return []
    }
  }

  #ready(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#redis.off('ready', done)
        this.#redis.off('end', done)
        this.#wake = undefined
        resolve()
      }
      this.#wake = done
      this.#redis.once('ready', done)
      this.#redis.once('end', done)
      if (this.#redis.status === 'wait') this.#redis.connect().catch(() => {})
      if (this.#redis.status === 'ready' || this.#redis.status === 'end') done()
    })
  }
}
