import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import type { Entry, Handler, Refused, Stop } from '../entry.ts'
import type { MemoryStore } from './memory-store.ts'
import { StreamReader } from './stream-reader.ts'
import type { Stream } from './stream.ts'

/** The view of a store that one server or emitter has opened. Once closed it takes no more calls; other handles go on. */
export class MemoryHandle {
  readonly store: MemoryStore
  readonly settings: DriverSettings
  readonly #stops = new Set<Stop>()
  #closed = false

  constructor(store: MemoryStore, settings: DriverSettings) {
    this.store = store
    this.settings = settings
  }

  /** @throws FlotillaError `FLT_CLOSED` */
  assertOpen(): void {
    if (this.#closed) throw new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
  }

  /** @param oldest the oldest entry that was not acked, if there is one */
  refusalOf(stream: Stream, { length }: Uint8Array, oldest: Entry | undefined): Refused | undefined {
    const { maxInboxBytes, maxLag = 0 } = this.settings
    if (!stream.hasRoomFor(length, maxInboxBytes)) return 'full'
    const isBehind = maxLag > 0 && oldest !== undefined && this.store.micros() - oldest.at > maxLag * 1_000
    return isBehind ? 'behind' : undefined
  }

  /** Reads whenever this event says that something was appended. */
  follow(event: string, handler: Handler, read: (cursor: number, limit: number) => readonly Entry[]): Stop {
    this.assertOpen()
    const { appended } = this.store
    const reader = new StreamReader(read, handler, this.settings.logger)
    const wake = (): void => reader.wake()
    const stop = async (): Promise<void> => {
      appended.off(event, wake)
      this.#stops.delete(stop)
      await reader.stop()
    }
    appended.on(event, wake)
    this.#stops.add(stop)
    reader.wake()
    return stop
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#stops].map((stop) => stop()))
  }
}
