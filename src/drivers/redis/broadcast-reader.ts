import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry, Handler } from '../entry.ts'
import type { RedisClient } from './connection/client.ts'
import { type RawEntry, toEntry } from './stream-reader.ts'

/** How many entries are read again at a time. */
const READ_COUNT = 16
const RETRY_PAUSE = 50
const NOTHING = Buffer.alloc(0)

/**
 * Hands out broadcasts. Among them there may be markers, each of which names a part of the stream that a dead node had
 * not acked. That part is read again, and handed out as replays before the marker itself.
 */
export class BroadcastReader {
  readonly #client: RedisClient
  readonly #stream: string
  readonly #handler: Handler
  readonly #isStopped: () => boolean

  constructor(client: RedisClient, stream: string, handler: Handler, isStopped: () => boolean) {
    this.#client = client
    this.#stream = stream
    this.#handler = handler
    this.#isStopped = isStopped
  }

  async take(rows: readonly RawEntry[]): Promise<void> {
    let entries: Entry[] = []
    for (const row of rows) {
      const part = markedIn(row)
      if (part !== undefined) {
        await this.#handler(entries)
        // Invariant A3: a replay stands in its place among the others, so that it ends where new ones begin.
        await this.#readAgain(part)
        entries = []
      }
      entries.push(part === undefined ? toEntry(row) : { ...toEntry(row), bytes: NOTHING })
    }
    await this.#handler(entries)
  }

  async #readAgain({ after, upTo }: Part): Promise<void> {
    for (let from = after; ;) {
      const missed = await this.#read(from, upTo)
      const replays = missed.filter((row) => markedIn(row) === undefined)
      await this.#handler(replays.map((row) => ({ ...toEntry(row), isReplay: true })))
      if (missed.length < READ_COUNT) return
      from = missed.at(-1)!.id
    }
  }

  /** Tries again however long the store is away: what was skipped here would be lost. */
  async #read(after: string, upTo: string): Promise<RawEntry[]> {
    while (!this.#isStopped()) {
      try {
        const range = [this.#stream, `(${after}`, upTo, 'COUNT', READ_COUNT] as const
        const rows = await this.#client.run((redis) => redis.xrangeBuffer(...range))
        return rows.map(([id, fields]) => ({ id: id.toString(), fields }))
      } catch {
        await sleep(RETRY_PAUSE)
      }
    }
    return []
  }
}

interface Part {
  readonly after: string
  readonly upTo: string
}

/** A marker has the field `r` instead of `d`: "after upTo". */
function markedIn({ fields }: RawEntry): Part | undefined {
  const [name, value] = fields
  if (name?.toString() !== 'r') return undefined
  const [after = '', upTo = ''] = value!.toString().split(' ')
  return { after, upTo }
}
