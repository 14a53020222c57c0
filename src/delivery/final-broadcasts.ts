import { setTimeout as sleep } from 'node:timers/promises'
import type { Broadcasts } from '../drivers/broadcasts.ts'
import { MAX_PARKED } from '../drivers/parking.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import { atMost } from '../lib/deadline.ts'
import type { Forwarder } from './forwarder.ts'

/** ms for which a closing node goes on reading and forwarding at most. */
const PATIENCE = 2_000
const PAUSE = 10

interface BroadcastReader {
  /** The offset of the newest broadcast that was read. */
  readonly lastOffset: number
}

/**
 * Broadcasts that a closing node still owes to the users who were here: those that were stored before their connections
 * were told to go, but that the node reads only now. It forwards them itself, because a node that takes over from it
 * would not know to whom.
 */
export class FinalBroadcasts {
  readonly #uids: readonly Uid[]
  /** The offset of the last owed broadcast. Until the store has told it, every broadcast counts as owed. */
  #newest = Number.POSITIVE_INFINITY
  readonly #asked: Promise<boolean>
  #count = 0

  constructor(queue: Broadcasts, uids: Iterable<Uid>) {
    this.#uids = [...uids]
    this.#asked = queue.newestBroadcast().then(
      (newest) => {
        this.#newest = newest
        return true
      },
      () => false,
    )
  }

  /** Whom a broadcast must be forwarded to. No more broadcasts are forwarded than may be parked for one user. */
  owedTo({ except, resent }: PushEnvelope, offset: number): readonly UserRef[] {
    // Invariant A6: a broadcast that was stored before they were told to go is theirs.
    if (resent || offset > this.#newest || this.#count === MAX_PARKED) return []
    this.#count++
    const excepted = new Set(except?.uids)
    return this.#uids.flatMap((uid) => (excepted.has(uid) ? [] : { uid, stamp: 0 }))
  }

  /** Resolves once all owed broadcasts have been read and forwarded, or after two seconds. */
  async end(broadcasts: BroadcastReader, forwarder: Forwarder): Promise<void> {
    await atMost(PATIENCE, this.#readAndSend(broadcasts, forwarder, performance.now() + PATIENCE))
  }

  async #readAndSend(broadcasts: BroadcastReader, forwarder: Forwarder, deadline: number): Promise<void> {
    if (!(await this.#asked)) return
    while (broadcasts.lastOffset < this.#newest && performance.now() < deadline) await sleep(PAUSE)
    await forwarder.idle()
  }
}
