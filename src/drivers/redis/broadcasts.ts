import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeId } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { Broadcasts } from '../broadcasts.ts'
import type { Handler, Refused, Stop } from '../entry.ts'
import { refusalOf, TAKEN } from './appends.ts'
import { BroadcastReader } from './broadcast-reader.ts'
import { HotScript } from './connection/script-call.ts'
import type { QueueHandle } from './queue-handle.ts'
import { asBuffer } from './records.ts'
import { publishAllLua } from './scripts/broadcasts.ts'

const publishAll = new HotScript(publishAllLua)

const REBUILD_PAUSE = 50

export class RedisBroadcasts implements Broadcasts {
  readonly #handle: QueueHandle

  constructor(handle: QueueHandle) {
    this.#handle = handle
  }

  async publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }> {
    const { settings, places } = this.#handle
    const deadline = performance.now() + settings.storeWait
    for (;;) {
      const [outcome, nodeCount, epoch] = await this.#tryPublishAll(batch)
      if (outcome === TAKEN) {
        places.knows(epoch)
        return { type: 'stored', nodeCount }
      }
      if (outcome !== -1) return { type: refusalOf(outcome) }
      if (performance.now() > deadline)
        throw new FlotillaError('FLT_STORE_AWAY', 'the store was lost and is being rebuilt: try again')
      await sleep(REBUILD_PAUSE)
    }
  }

  #tryPublishAll(batch: Uint8Array): Promise<[outcome: -2 | -1 | 0 | 1, nodeCount: number, epoch: string]> {
    const { appends, keys, places, settings } = this.#handle
    const { maxInboxBytes, maxLag = 0, heartbeat } = settings
    return appends.call(
      publishAll,
      [keys.all(), keys.allMeta(), keys.allCursors(), keys.allHeld()],
      [asBuffer(batch), maxInboxBytes, places.salt, places.knownEpoch, heartbeat + 1_000, maxLag],
    ) as Promise<[-2 | -1 | 0 | 1, number, string]>
  }

  async newestBroadcast(): Promise<number> {
    const { client, keys } = this.#handle
    return Number(await client.run((redis) => redis.hget(keys.allMeta(), 'in')))
  }

  consumeAll(node: NodeId, handler: Handler): Stop {
    const { client, keys, places, readers } = this.#handle
    let isStopped = false
    const reader = new BroadcastReader(client, keys.all(), handler, () => isStopped || readers.isClosed)
    const place = { key: keys.all(), role: 'all', start: () => places.of(node) }
    const stop = readers.follow(place, (rows) => reader.take(rows))
    return () => {
      isStopped = true
      return stop()
    }
  }

  ackAll(node: NodeId, position: string): void {
    this.#handle.acksOfAll.add(node, position)
  }

  replayAll(node: NodeId): Promise<void> {
    return this.#handle.places.replay(node)
  }
}
