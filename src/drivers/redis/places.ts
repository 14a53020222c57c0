import { newProcessId, type NodeId, processOfNode } from '../../envelope/ids.ts'
import type { Logger } from '../../logger.ts'
import type { Commands, RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'

const TRIM_PAUSE = 250
/** How long a gone node's place is held, in ms, because its process may wake up. */
const HOLD_PLACE = 60_000
/** ms after which a held place has lapsed by the store's clock, too. */
const LAPSE_SLACK = 100
/** A node without a place: removing it only trims. */
const NOBODY = '' as NodeId

/** How far each node has read the broadcasts. Whatever all of them have read is trimmed. */
export class Places {
  /** If the stream has no epoch yet, its new epoch begins with this. */
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

  /** The last epoch that we know of the stream. If the stream was lost, it now has another. */
  get knownEpoch(): string {
    return this.#knownEpoch
  }

  knows(epoch: string): void {
    this.#knownEpoch = epoch
  }

  /** Opens a place, and answers the offset of the last broadcast before it. */
  async open(node: NodeId, before: NodeId | undefined): Promise<number> {
    const { allMeta, allCursors, allHeld, allSeats } = this.#keys
    const keys = [allMeta(), allCursors(), allHeld(), allSeats()]
    const [epoch, place] = (await this.#client.run((redis) =>
      redis.fltOpenAll(keys, [node, this.salt, before ?? '', processOfNode(node)]),
    )) as [epoch: string, place: string]
    // Keep the first epoch, so that a loss is noticed.
    if (this.#knownEpoch === '') this.#knownEpoch = epoch
    return Number(place.split(' ')[1])
  }

  /** The id of the entry after which the node reads on. */
  async of(node: NodeId): Promise<string> {
    const { allMeta, allCursors } = this.#keys
    return (await this.#client.run((redis) => redis.fltPlaceInAll(allMeta(), allCursors(), node))) as string
  }

  /** Sets a node's place. Without an id, removes it. */
  async set(redis: Commands, node: NodeId, id = '', bytes = ''): Promise<void> {
    const { allHeld, allMeta, allCursors, all } = this.#keys
    const keys = [all(), allMeta(), allCursors(), allHeld()]
    const untilLapse = (await redis.fltAckAll(keys, node, id, bytes, TRIM_PAUSE)) as number
    if (untilLapse > 0) this.#trimIn(untilLapse)
  }

  async remove(node: NodeId): Promise<void> {
    await this.#client.run((redis) => this.set(redis, node))
  }

  /** Has every node read again what this one had not acked. This node's place is held for a while. */
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
   * Trims what a held place had kept, once that place has lapsed: the next broadcast may be long in coming. Every node
   * that hears of a held place does this, from taking over or from its own acks, because any single one of them may be
   * gone by then.
   */
  #trimIn(ms: number): void {
    if (this.#trim !== undefined || this.#closed) return
    const trim = async (): Promise<void> => {
      this.#trim = undefined
      try {
        await this.remove(NOBODY)
      } catch (error) {
        this.#logger.debug({ error }, 'the broadcasts could not be trimmed; this is tried again')
        this.#trimIn(HOLD_PLACE)
      }
    }
    this.#trim = setTimeout(() => void trim(), ms + LAPSE_SLACK).unref()
  }
}
