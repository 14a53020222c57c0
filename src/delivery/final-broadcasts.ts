import { setTimeout as sleep } from 'node:timers/promises'
import type { Broadcasts } from '../drivers/broadcasts.ts'
import { MAX_PARKED } from '../drivers/parking.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { Uid } from '../envelope/ids.ts'
import { atMost } from '../lib/deadline.ts'
import type { Forwarder } from './forwarder.ts'

/** ms that a node which closes reads on, and sends on, at most. */
const PATIENCE = 2_000
const PAUSE = 10

interface BroadcastReader {
  /** The offset of the newest broadcast that was read. */
  readonly lastOffset: number
}

/**
 * What a node that closes still owes to those who were here: broadcasts that were stored before they were told to go, and that
 * it comes to only now. Nobody who takes over from it would know whom to send them after.
 */
export class FinalBroadcasts {
  readonly #uids: readonly Uid[]
  /** The offset of the broadcast that was stored last before; until it is known, what comes was. */
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

  /** Whom a broadcast that comes now is to be sent after. No more wait for anybody than may be parked for a user. */
  owedTo({ except, resent }: PushEnvelope, offset: number): readonly UserRef[] {
    // Invariant A6: a broadcast that was stored before they were told to go is theirs.
    if (resent || offset > this.#newest || this.#count === MAX_PARKED) return []
    this.#count++
    const excepted = new Set(except?.uids)
    return this.#uids.flatMap((uid) => (excepted.has(uid) ? [] : { uid, stamp: 0 }))
  }

  /** Resolves once all of them have been read and sent on, or after two seconds. */
  async end(broadcasts: BroadcastReader, forwarder: Forwarder): Promise<void> {
    await atMost(PATIENCE, this.#readAndSend(broadcasts, forwarder, performance.now() + PATIENCE))
  }

  async #readAndSend(broadcasts: BroadcastReader, forwarder: Forwarder, deadline: number): Promise<void> {
    if (!(await this.#asked)) return
    while (broadcasts.lastOffset < this.#newest && performance.now() < deadline) await sleep(PAUSE)
    await forwarder.idle()
  }
}
