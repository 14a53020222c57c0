import type { Stop } from '../entry.ts'
import type { RedisHandle } from './handle.ts'
import { type RawEntry, type StreamPlace, StreamReader } from './stream-reader.ts'

/** All the readers of one server. */
export class Readers {
  readonly #handle: RedisHandle
  readonly #readers = new Set<StreamReader>()
  #closed = false

  constructor(handle: RedisHandle) {
    this.#handle = handle
  }

  get isClosed(): boolean {
    return this.#closed
  }

  follow(place: StreamPlace, handler: (entries: readonly RawEntry[]) => Promise<void> | void): Stop {
    const { client, settings } = this.#handle
    const reader = new StreamReader(client, settings, place, async (entries) => handler(entries))
    this.#readers.add(reader)
    return async () => {
      this.#readers.delete(reader)
      await reader.stop()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const readers = [...this.#readers]
    this.#readers.clear()
    await Promise.all(readers.map((reader) => reader.stop()))
  }
}
