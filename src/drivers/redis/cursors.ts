import type { Uid } from '../../envelope/ids.ts'
import { type Ack, type Cursor, type Cursors, MAX_CURSORS } from '../cursors.ts'
import type { RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'
import { birthIn } from './log.ts'
import { inSlots } from './slots.ts'

/** How many acks one script takes. Each reads all cursors of a user. */
const MOST = 200

export class RedisCursors implements Cursors {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: RedisHandle) {
    this.#client = client
    this.#keys = keys
  }

  async moveCursors(acks: readonly Ack[]): Promise<void> {
    const items = acks.map((ack) => ({ ack, keys: this.#keys.log({ type: 'user', uid: ack.uid }) }))
    const chunks = inSlots(this.#client, items, MOST)
    await this.#client.batch((redis) =>
      chunks.map((chunk) => {
        const keys = chunk.flatMap(({ item: { keys } }) => [keys.list, keys.meta])
        const args = chunk.flatMap(({ item: { ack } }) => [birthIn(ack.epoch), ack.term, ack.number, ack.device])
        return redis.fltMoveCursors(keys.length, ...keys, MAX_CURSORS, ...args)
      }),
    )
  }

  async cursors(uid: Uid): Promise<readonly Cursor[]> {
    const { list, meta } = this.#keys.log({ type: 'user', uid })
    const rows = await this.#client.run((redis) => redis.fltCursors(list, meta))
    return (rows as [string, string, string, string][]).map(([device, number, seen, unread]) => ({
      device,
      number: Number(number),
      seenAt: Math.floor(Number(seen) / 1_000),
      unreadCount: Number(unread),
    }))
  }
}
