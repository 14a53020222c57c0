import type { Queue } from '../drivers/queue.ts'
import type { NodeId } from '../envelope/ids.ts'
import { broadcastsTo, Inbox, inboxOf, type InboxSettings } from './inbox.ts'
import { SeenBatches } from './seen-batches.ts'

/** What a node reads: its own inbox, and what is for everyone, under its id of this moment. */
export class Readers {
  readonly #queue: Queue
  readonly #settings: InboxSettings
  readonly #reachedTime: (at: number) => void
  /** Two incarnations of one process may read the same broadcast. */
  readonly #seenBroadcasts = new SeenBatches()
  #own: Inbox | undefined
  #broadcasts: Inbox | undefined
  #poisonedBefore = 0

  /** @param reachedTime told that whatever is still to come was appended at this time or later: see `Entry.at` */
  constructor(queue: Queue, settings: InboxSettings, reachedTime: (at: number) => void) {
    this.#queue = queue
    this.#settings = settings
    this.#reachedTime = reachedTime
  }

  /** Entries that were not ours and were set aside. */
  get poisonedCount(): number {
    return this.#poisonedBefore + this.#poisonedNow
  }

  /** The reader of broadcasts, once there is one. */
  get broadcasts(): Inbox | undefined {
    return this.#broadcasts
  }

  /** Reads from now on what is for this node, and the broadcasts behind the given one. */
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
