import type { NodeId } from '../../envelope/ids.ts'
import type { Stop } from '../entry.ts'
import type { Ingress, IngressEntry } from '../ingress.ts'
import type { RedisClient } from './connection/client.ts'
import type { Keys } from './keys.ts'
import type { QueueHandle } from './queue-handle.ts'
import type { Readers } from './readers.ts'
import { asBuffer } from './records.ts'
import type { RawEntry } from './stream-reader.ts'

const MAX_POISON = 1_000
const NOTHING = new Uint8Array(0)

/** `XADD PREFIX:ingress * body '{"uid":"u1","message":"hi"}'` from any language. The field may have any name. */
export class RedisIngress implements Ingress {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #readers: Readers

  constructor({ client, keys, readers }: QueueHandle) {
    this.#client = client
    this.#keys = keys
    this.#readers = readers
  }

  async lead(node: NodeId, ttl: number): Promise<boolean> {
    return (await this.#client.run((redis) => redis.fltLead(this.#keys.ingressLease(), node, ttl))) === 1
  }

  async resign(node: NodeId): Promise<void> {
    await this.#client.run((redis) => redis.fltResign(this.#keys.ingressLease(), node))
  }

  read(handler: (entries: readonly IngressEntry[]) => Promise<void>): Stop {
    const place = { key: this.#keys.ingress(), role: 'ingress', start: async () => '0' }
    return this.#readers.follow(place, (entries) => handler(entries.map(toIngressEntry)))
  }

  async done(positions: readonly string[]): Promise<void> {
    if (positions.length === 0) return
    await this.#client.run((redis) => redis.xdel(this.#keys.ingress(), ...positions))
  }

  async setAside({ position, body }: IngressEntry, reason: string): Promise<void> {
    const key = this.#keys.ingressPoison()
    const fields = ['reason', reason, 'body', asBuffer(body)]
    await this.#client.run((redis) => redis.xadd(key, 'MAXLEN', MAX_POISON, '*', ...fields))
    await this.done([position])
  }
}

function toIngressEntry({ id, fields }: RawEntry): IngressEntry {
  return { position: id, body: fields[1] ?? NOTHING }
}
