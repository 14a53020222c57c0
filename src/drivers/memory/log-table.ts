import type { Channel } from '../log.ts'
import { ChannelLog } from './channel-log.ts'

/** How many bytes all logs may have together. */
const MAX_BYTES = 64 * 2 ** 20
/** What a log takes, even an empty one, about. */
const LOG_BYTES = 400

/** The logs of all channels, bounded together. */
export class LogTable {
  /** The one that was appended to longest ago comes first. */
  readonly #logs = new Map<string, ChannelLog>()
  readonly #epoch: string
  readonly #micros: () => number
  readonly #maxBytes: number
  #bytes = 0

  /** @param micros the store's clock, in µs */
  constructor(epoch: string, micros: () => number, maxBytes = MAX_BYTES) {
    this.#epoch = epoch
    this.#micros = micros
    this.#maxBytes = maxBytes
  }

  get(channel: Channel): ChannelLog | undefined {
    return this.#logs.get(nameOf(channel))
  }

  epochOf(log: ChannelLog | undefined): string {
    return `${this.#epoch}/${log?.born ?? ''}`
  }

  /** Changes a log, which is made if there is none, and makes room for what was added. */
  change<T>(channel: Channel, change: (log: ChannelLog) => T): T {
    const name = nameOf(channel)
    const known = this.#logs.get(name)
    const log = known ?? new ChannelLog(this.#micros().toString(36))
    this.#bytes += known === undefined ? LOG_BYTES : -known.bytes
    this.#logs.delete(name)
    this.#logs.set(name, log)
    const result = change(log)
    this.#bytes += log.bytes
    this.#makeRoom(log)
    return result
  }

  // Invariant L7: all logs together are bounded.
  #makeRoom(changed: ChannelLog): void {
    for (const [name, log] of this.#logs) {
      if (this.#bytes <= this.#maxBytes || log === changed) return
      this.#bytes -= log.bytes + LOG_BYTES
      this.#logs.delete(name)
    }
  }
}

function nameOf(channel: Channel): string {
  switch (channel.type) {
    case 'user':
      return `u:${channel.uid}`
    case 'group':
      return `g:${channel.group}`
    case 'all':
      return 'all'
    default:
      throw channel satisfies never
  }
}
