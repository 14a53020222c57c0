import { setImmediate as nextTurn } from 'node:timers/promises'
import type { NodeId } from '../../envelope/ids.ts'
import type { Broadcasts } from '../broadcasts.ts'
import type { Handler, Refused, Stop } from '../entry.ts'
import type { MemoryHandle } from './handle.ts'

const NOTHING = new Uint8Array()

export class MemoryBroadcasts implements Broadcasts {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  /**
   * Waits for the next turn of the event loop, so that readers get theirs. Otherwise a caller that awaits one push
   * after another would fill the stream.
   */
  async publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }> {
    await nextTurn()
    this.#handle.assertOpen()
    const { store, settings } = this.#handle
    const { broadcasts, places, appended } = store
    if (places.count === 0) return { type: 'stored', nodeCount: 0 }
    // Entries that are only kept for nodes that may come back go before anything is refused.
    if (!broadcasts.hasRoomFor(batch.length, settings.maxInboxBytes)) places.letGo()
    const refused = this.#handle.refusalOf(broadcasts, batch, broadcasts.firstAfter(places.slowest))
    if (refused !== undefined) return { type: refused }
    broadcasts.append(batch)
    appended.emit('all')
    return { type: 'stored', nodeCount: places.count }
  }

  async newestBroadcast(): Promise<number> {
    this.#handle.assertOpen()
    return this.#handle.store.broadcasts.last
  }

  consumeAll(node: NodeId, handler: Handler): Stop {
    const { broadcasts, places } = this.#handle.store
    return this.#handle.follow('all', handler, (cursor, limit) => {
      const place = places.of(node)
      return place === undefined ? [] : broadcasts.after(Math.max(cursor, place), limit)
    })
  }

  ackAll(node: NodeId, position: string): void {
    this.#handle.store.places.ack(node, Number(position))
  }

  async replayAll(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    const { broadcasts, places, appended } = this.#handle.store
    const place = places.of(node)
    if (place === undefined) return
    const missed = broadcasts.after(place, Number.POSITIVE_INFINITY).filter(({ isReplay }) => isReplay !== true)
    // If there is no other node, nobody is left to read the broadcasts again.
    if (missed.length === 0 || places.count === 1) return places.remove(node)
    places.hold(node, place)
    broadcasts.repeat(missed)
    broadcasts.append(NOTHING)
    appended.emit('all')
  }
}
