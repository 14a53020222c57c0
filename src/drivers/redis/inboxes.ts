import type { NodeId, ProcessId } from '../../envelope/ids.ts'
import type { Entry, Handler, Stop } from '../entry.ts'
import type { Inboxes, Published } from '../inboxes.ts'
import { refusalOf, TAKEN } from './appends.ts'
import type { RedisClient } from './connection/client.ts'
import { HotScript } from './connection/script-call.ts'
import type { Keys } from './keys.ts'
import type { QueueHandle } from './queue-handle.ts'
import { asBuffer } from './records.ts'
import { publishLua } from './scripts/inboxes.ts'
import { Seats } from './seats.ts'
import { toEntry } from './stream-reader.ts'

const publish = new HotScript(publishLua)

const MAX_POISON = 1_000
/** How long the poisoned entries of a dead node are kept, in ms, so that a person can still look at them. */
const KEEP_POISON = 86_400_000
const FIRST_DRAIN = 16
const MAX_DRAIN = 1_024
/** About how many bytes of entries are drained at a time. */
const DRAIN_BYTES = 2 ** 22

export class RedisInboxes implements Inboxes {
  readonly seat?: (process: ProcessId) => Promise<number>
  readonly #handle: QueueHandle
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor(handle: QueueHandle) {
    this.#handle = handle
    this.#client = handle.client
    this.#keys = handle.keys
    const { router } = handle.client
    if (router === undefined) return
    const seats = new Seats(handle, router)
    this.seat = (process) => seats.next(process)
  }

  async open(node: NodeId, before?: NodeId): Promise<number> {
    const offset = await this.#handle.places.open(node, before)
    await this.#client.run((redis) => redis.fltOpenInbox(this.#keys.inbox(node), this.#keys.inboxMeta(node)))
    return offset
  }

  async isOpen(node: NodeId): Promise<boolean> {
    const [inbox, cursor] = await this.#client.batch((redis) => [
      redis.exists(this.#keys.inbox(node)),
      redis.hexists(this.#keys.allCursors(), node),
    ])
    return inbox === 1 && cursor === 1
  }

  async publish(node: NodeId, batch: Uint8Array, isOwed = false): Promise<Published> {
    const { appends, settings } = this.#handle
    const { maxInboxBytes, maxLag = 0 } = settings
    const keys = [this.#keys.inbox(node), this.#keys.inboxMeta(node)]
    const reply = await appends.call(publish, keys, [asBuffer(batch), isOwed ? '' : maxInboxBytes, maxLag])
    if (reply === TAKEN) return 'stored'
    return reply === -1 ? 'closed' : refusalOf(reply)
  }

  consume(node: NodeId, handler: Handler): Stop {
    const place = { key: this.#keys.inbox(node), role: 'inbox', start: async () => '0' }
    return this.#handle.readers.follow(place, (entries) => handler(entries.map(toEntry)))
  }

  ack(node: NodeId, position: string): void {
    this.#handle.acks.add(node, position)
  }

  async setAside(node: NodeId, entry: Entry, reason: string): Promise<void> {
    await this.#client.run((redis) =>
      redis.xadd(this.#keys.poison(node), 'MAXLEN', MAX_POISON, '*', 'reason', reason, 'd', asBuffer(entry.bytes)),
    )
  }

  async seal(node: NodeId): Promise<void> {
    await this.#client.run((redis) => redis.fltSeal(this.#keys.inbox(node), this.#keys.sealed(node)))
  }

  async drain(node: NodeId, handler: (entries: readonly Entry[]) => Promise<void>): Promise<void> {
    const key = this.#keys.sealed(node)
    for (let count = FIRST_DRAIN; ;) {
      const rows = await this.#client.run((redis) => redis.xrangeBuffer(key, '-', '+', 'COUNT', count))
      if (rows.length === 0) return
      const entries = rows.map(([id, fields]) => toEntry({ id: id.toString(), fields }))
      await handler(entries)
      await this.#client.run((redis) => redis.xdel(key, ...rows.map(([id]) => id)))
      const meanBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0) / entries.length
      count = Math.min(Math.max(Math.floor(DRAIN_BYTES / (meanBytes + 1)), 1), MAX_DRAIN)
    }
  }

  async destroy(node: NodeId): Promise<void> {
    const keys = this.#keys
    // Invariant K8: a dead node leaves nothing behind except keys that expire.
    await this.#client.run((redis) => redis.del(keys.sealed(node), keys.inboxMeta(node)))
    await this.#client.run((redis) => redis.pexpire(keys.poison(node), KEEP_POISON))
    await this.#handle.places.remove(node)
  }
}
