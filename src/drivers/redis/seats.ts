import { type ProcessId, SEAT_COUNT } from '../../envelope/ids.ts'
import type { RedisClient } from './connection/client.ts'
import type { ClusterRouter } from './connection/cluster-router.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'

/** How long a seat is kept for a node that has yet to open its inbox, in ms. */
const KEEP_SEAT = 60_000

/** Spreads the inboxes over the masters of a cluster. */
export class Seats {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #router: ClusterRouter

  constructor({ client, keys }: RedisHandle, router: ClusterRouter) {
    this.#client = client
    this.#keys = keys
    this.#router = router
  }

  async next(process: ProcessId): Promise<number> {
    const { allCursors, allSeats } = this.#keys
    return (await this.#client.run((redis) =>
      redis.fltSeat([allCursors(), allSeats()], [process, this.#masters(), KEEP_SEAT]),
    )) as number
  }

  /** One byte for each seat: the number of the master that it is on. */
  #masters(): Buffer {
    const numbers = new Map<string | undefined, number>()
    const masters = Array.from({ length: SEAT_COUNT }, (_, seat) => {
      const address = this.#router.addressFor(this.#keys.seat(seat))
      const number = numbers.get(address) ?? numbers.size
      numbers.set(address, number)
      return number
    })
    return Buffer.from(masters)
  }
}
