import { newProcessId, type NodeId, processOfNode } from '../../envelope/ids.ts'
import type { Logger } from '../../logger.ts'
import type { Commands, RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'

const TRIM_PAUSE = 250
/** How long a gone node's place is held, in ms: its process may wake up. */
const HOLD_PLACE = 60_000
/** By then the store's clock has passed it, too. */
const LAPSE_SLACK = 100
/** Has no place that could go. */
const NOBODY = '' as NodeId

/** How far each node has read the broadcasts. What all of them have read is trimmed. */
export class Places {
  /** A stream that has no epoch yet is given one that begins with it. */
  readonly salt = newProcessId()
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #logger: Logger
  #knownEpoch = ''
  #trim: NodeJS.Timeout | undefined
  #closed = false

  constructor({ client, keys, settings }: RedisHandle) {
    this.#client = client
    this.#keys = keys
    this.#logger = settings.logger
  }

  /** The epoch that the stream bore. If it was lost, it bears another. */
  get knownEpoch(): string {
    return this.#knownEpoch
  }

  knows(epoch: string): void {
    this.#knownEpoch = epoch
  }

  /** The offset of the broadcast that the node's place is behind. */
  async open(node: NodeId, before: NodeId | undefined): Promise<number> {
    const { allMeta, allCursors, allHeld, allSeats } = this.#keys
    const keys = [allMeta(), allCursors(), allHeld(), allSeats()]
    const [epoch, place] = (await this.#client.run((redis) =>
      redis.fltOpenAll(keys, [node, this.salt, before ?? '', processOfNode(node)]),
    )) as [epoch: string, place: string]
    // What was known before a loss stays known: only so a loss is noticed.
    if (this.#knownEpoch === '') this.#knownEpoch = epoch
    return Number(place.split(' ')[1])
  }

  /** The id of the entry that a node reads on behind. */
  async of(node: NodeId): Promise<string> {
    const { allMeta, allCursors } = this.#keys
    return (await this.#client.run((redis) => redis.fltPlaceInAll(allMeta(), allCursors(), node))) as string
  }

  /** Without an id the node's place goes. */
  async set(redis: Commands, node: NodeId, id = '', bytes = ''): Promise<void> {
    const { allHeld, allMeta, allCursors, all } = this.#keys
    const keys = [all(), allMeta(), allCursors(), allHeld()]
    const untilLapse = (await redis.fltAckAll(keys, node, id, bytes, TRIM_PAUSE)) as number
    if (untilLapse > 0) this.#trimIn(untilLapse)
  }

  async remove(node: NodeId): Promise<void> {
    await this.#client.run((redis) => this.set(redis, node))
  }

  /** Has every node read again what this one had not; its place is held for a while. */
  async replay(node: NodeId): Promise<void> {
    const { all, allMeta, allCursors, allHeld } = this.#keys
    const isHeld = await this.#client.run((redis) =>
      redis.fltReplayAll(all(), allMeta(), allCursors(), allHeld(), node, HOLD_PLACE),
    )
    // Invariant A5: it lapses although nobody broadcasts.
    if (isHeld === 1) this.#trimIn(HOLD_PLACE)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#trim)
  }

  /**
   * Trims what a place has held, once it has lapsed: the next broadcast may be long in coming. Everyone does who learns of
   * it, by taking over or by its own acks, for whoever does it may go before.
   */
  #trimIn(ms: number): void {
    if (this.#trim !== undefined || this.#closed) return
    const trim = async (): Promise<void> => {
      this.#trim = undefined
      try {
        await this.remove(NOBODY)
      } catch (error) {
        this.#logger.debug({ error }, 'the broadcasts were not trimmed; they will be')
        this.#trimIn(HOLD_PLACE)
      }
    }
    this.#trim = setTimeout(() => void trim(), ms + LAPSE_SLACK).unref()
  }
}
