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

  /** In the next turn of the event loop, for its readers' sake: else who awaits one after another fills the stream. */
  async publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }> {
    await nextTurn()
    this.#handle.assertOpen()
    const { store, settings } = this.#handle
    const { broadcasts, places, appended } = store
    if (places.count === 0) return { type: 'stored', nodeCount: 0 }
    // Before anything is refused, what is only kept for nodes that may come back goes.
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
    // Without others, nobody is left to read it once more.
    if (missed.length === 0 || places.count === 1) return places.remove(node)
    places.hold(node, place)
    broadcasts.repeat(missed)
    broadcasts.append(NOTHING)
    appended.emit('all')
  }
}
