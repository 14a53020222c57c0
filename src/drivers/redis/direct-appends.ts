import { type NodeId, partitionOf } from '../../envelope/ids.ts'
import type { DriverSettings } from '../driver.ts'
import type { Found, LoneTarget, NumberedBatch } from '../routes.ts'
import type { RedisClient } from './connection/client.ts'
import { HotScript } from './connection/script-call.ts'
import type { Epochs } from './epochs.ts'
import type { RedisHandle } from './handle.ts'
import type { Keys } from './keys.ts'
import { asBuffer, nodesIn } from './records.ts'
import { directLua } from './scripts/inboxes.ts'

const direct = new HotScript(directLua)

/**
 * How long the answer of the last call is kept, in multiples of `storeWait`. No call that was given up arrives after
 * that.
 */
const KEPT_WAITS = 3

/**
 * Looks up and appends in one round trip, on a server that has both. It uses the connection of lookups, and so keeps
 * their order.
 */
export class DirectAppends {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #epochs: Epochs
  readonly #settings: DriverSettings

  constructor({ client, keys, settings }: RedisHandle, epochs: Epochs) {
    this.#client = client
    this.#keys = keys
    this.#epochs = epochs
    this.#settings = settings
  }

  async append(target: LoneTarget, batch: NumberedBatch, self: NodeId | undefined): Promise<Found | undefined> {
    const partition = partitionOf(target.type === 'user' ? target.uid : target.group)
    const epoch = this.#epochs.settled(partition)
    if (epoch === undefined) return undefined
    const { maxInboxBytes, maxLag = 0, storeWait } = this.#settings
    const { publisher, seq, bytes } = batch
    const keys = [this.#keys.epoch(partition), this.#routeOf(target, partition), this.#keys.lastDirect(publisher)]
    const args = [
      epoch,
      this.#keys.inboxes(),
      self ?? '',
      seq,
      KEPT_WAITS * storeWait,
      asBuffer(bytes),
      maxInboxBytes,
      maxLag,
    ]
    const answer = await this.#client.call(direct, keys, args)
    return answer === null ? undefined : readFound(answer as string)
  }

  #routeOf(target: LoneTarget, partition: number): string {
    if (target.type === 'user') return this.#keys.route(partition, target.uid)
    return this.#keys.groupRoute(partition, target.group)
  }
}

/** "stamp nodeA nodeB" */
function readFound(answer: string): Found {
  const [stamp, ...nodes] = answer.split(' ')
  return { stamp: Number(stamp), nodes: nodesIn(nodes) }
}
