import { createHash } from 'node:crypto'
import type { Receipt } from '../../api.ts'
import { type NodeId, type PushId, shownPushId } from '../../envelope/ids.ts'
import type { PushIds, Reservation } from '../push-ids.ts'
import type { RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'

/**
 * How many bytes of a digest identify an id among all ids (`FIELD`), and a push among those that use one id (`MARK`).
 */
const FIELD = 16
const MARK = 12

/**
 * Idempotency keys. There may be a million of them at once, so each takes only some fifty bytes: digests instead of the
 * id and of the push, and the part of the receipt that cannot be derived.
 */
export class RedisPushIds implements PushIds {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor({ client, keys }: Pick<RedisHandle, 'client' | 'keys'>) {
    this.#client = client
    this.#keys = keys
  }

  async reserve(id: PushId, digest: string, ttl: number): Promise<Reservation> {
    const place = this.#placeOf(id, digest)
    const reply = await this.#client.run((redis) => redis.fltReserveId(...place, ttl))
    const [type, value] = reply as [Reservation['type'], string]
    if (type === 'fresh') return { type, stored: value === '' ? [] : (JSON.parse(value) as NodeId[]) }
    if (type === 'done') return { type, receipt: readAnswer(id, value) }
    return { type }
  }

  async settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void> {
    const place = this.#placeOf(id, digest)
    await this.#client.run((redis) => redis.fltSettleId(...place, ttl, writeAnswer(receipt)))
  }

  async release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void> {
    const place = this.#placeOf(id, digest)
    const value = stored.length === 0 ? '' : JSON.stringify(stored)
    await this.#client.run((redis) => redis.fltReleaseId(...place, ttl, value))
  }

  /** The arguments that each of the scripts begins with. */
  #placeOf(id: PushId, digest: string): [keys: readonly string[], field: Buffer, mark: Buffer] {
    const field = sha256(id).subarray(0, FIELD)
    return [this.#keys.idRecord(field), field, sha256(digest).subarray(0, MARK)]
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** `[nodeCount]`, `[nodeCount, offline]` or `[nodeCount, offlineCount]`; if the push had `hold`, a third like the second. */
function writeAnswer({ nodeCount, offline, offlineCount, held, heldCount }: Receipt): string {
  if (held !== undefined) return JSON.stringify([nodeCount, offlineCount ?? offline, heldCount ?? held])
  if (offlineCount !== undefined) return JSON.stringify([nodeCount, offlineCount])
  return JSON.stringify(offline.length === 0 ? [nodeCount] : [nodeCount, offline])
}

/** Names, or only their number. */
type Names = readonly string[] | number

function readAnswer(id: PushId, value: string): Receipt {
  const [nodeCount, offline = [], held] = JSON.parse(value) as [number, ...Names[]]
  return {
    id: shownPushId(id),
    nodeCount,
    ...(typeof offline === 'number' ? { offline: [], offlineCount: offline } : { offline }),
    ...(typeof held === 'number' ? { held: [], heldCount: held } : held && { held }),
  }
}
