import type { DriverSettings } from '../driver.ts'
import { Acks } from './acks.ts'
import type { Appends } from './appends.ts'
import { RedisClient } from './connection/client.ts'
import type { Store } from './connection/store.ts'
import type { RedisHandle } from './handle.ts'
import { Keys } from './keys.ts'
import { Places } from './places.ts'
import { Readers } from './readers.ts'
import { type Durability, ReplicatedAppends } from './replicated-appends.ts'

/** An ack costs as much as a publish, so one is sent for this many entries, or after this many ms. */
const ACK_EVERY = { entries: 64, ms: 20 }
const ACK_ALL_EVERY = { entries: 256, ms: 100 }

/** Everything that the calls of one server or emitter to its queue share. */
export class QueueHandle implements RedisHandle {
  readonly settings: DriverSettings
  readonly keys: Keys
  readonly client: RedisClient
  /** Appends, and waits for a replica if that was asked for. */
  readonly appends: Appends
  readonly places: Places
  readonly readers: Readers
  /** Acks of inboxes. */
  readonly acks: Acks
  /** Acks of broadcasts. */
  readonly acksOfAll: Acks

  constructor(store: Store, settings: DriverSettings, durability: Durability) {
    this.settings = settings
    const keys = (this.keys = new Keys(settings.prefix, { isCluster: store.address.type === 'cluster' }))
    this.client = new RedisClient(store, settings, 'queue')
    this.appends = durability === 'replicated' ? new ReplicatedAppends(store, settings) : this.client
    const places = (this.places = new Places(this))
    this.readers = new Readers(this)
    this.acks = new Acks(this, ACK_EVERY, keys.inbox, (redis, node, id, bytes) =>
      redis.fltAck(keys.inbox(node), keys.inboxMeta(node), idAfter(id), bytes),
    )
    this.acksOfAll = new Acks(this, ACK_ALL_EVERY, keys.all, (redis, node, id, bytes) =>
      places.set(redis, node, id, bytes),
    )
  }

  async flushAcks(): Promise<void> {
    await Promise.all([this.acks.flush(), this.acksOfAll.flush()])
  }

  async close(): Promise<void> {
    this.places.close()
    await Promise.all([this.flushAcks(), this.readers.close()])
    this.client.close()
    this.appends.close()
  }
}

function idAfter(id: string): string {
  const [ms, sequence] = id.split('-')
  return `${ms}-${BigInt(sequence!) + 1n}`
}
