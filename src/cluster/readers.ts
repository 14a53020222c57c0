import type { Queue } from '../drivers/queue.ts'
import type { NodeId } from '../envelope/ids.ts'
import { broadcastsTo, Inbox, inboxOf, type InboxSettings } from './inbox.ts'
import { SeenBatches } from './seen-batches.ts'

/** The two streams that a node reads under its current id: its own inbox, and the broadcasts. */
export class Readers {
  readonly #queue: Queue
  readonly #settings: InboxSettings
  readonly #reachedTime: (at: number) => void
  /** Two incarnations of one process may read the same broadcast. */
  readonly #seenBroadcasts = new SeenBatches()
  #own: Inbox | undefined
  #broadcasts: Inbox | undefined
  #poisonedBefore = 0

  /** @param reachedTime called before entries are handled: see `Source` */
  constructor(queue: Queue, settings: InboxSettings, reachedTime: (at: number) => void) {
    this.#queue = queue
    this.#settings = settings
    this.#reachedTime = reachedTime
  }

  /** Entries that could not be decoded and were set aside. */
  get poisonedCount(): number {
    return this.#poisonedBefore + this.#poisonedNow
  }

  /** The reader of broadcasts, once reading has begun. */
  get broadcasts(): Inbox | undefined {
    return this.#broadcasts
  }

  /** From now on reads the inbox of this id, and the broadcasts after the given offset. */
  readAs(node: NodeId, lastBroadcast: number): void {
    this.#poisonedBefore += this.#poisonedNow
    // Not awaited: an entry of the old inbox may itself wait until this node has joined again.
    void this.close()
    this.#own = new Inbox(inboxOf(this.#queue, node, this.#reachedTime), new SeenBatches(), this.#settings)
    const source = broadcastsTo(this.#queue, node)
    this.#broadcasts = new Inbox(source, this.#seenBroadcasts, this.#settings, lastBroadcast)
  }

  async close(): Promise<void> {
    await Promise.all([this.#own?.close(), this.#broadcasts?.close()])
  }

  get #poisonedNow(): number {
    return (this.#own?.poisonedCount ?? 0) + (this.#broadcasts?.poisonedCount ?? 0)
  }
}
