import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Append, Appended, Channel, Log, LogExtent, LogPosition, Page, PageRequest } from '../log.ts'
import type { Route } from '../routes.ts'
import type { ChannelLog } from './channel-log.ts'
import { pageOf } from './channel-log.ts'
import type { MemoryHandle } from './handle.ts'

/** A log that expires makes room at its channel's next append; so does one that is the oldest of too many. */
export class MemoryLog implements Log {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  /** Waits for the next turn of the event loop, as a lookup does. */
  async append(appends: readonly Append[]): Promise<readonly Appended[]> {
    await nextTurn()
    this.#handle.assertOpen()
    // Invariant L1: nothing comes between an append and its lookup.
    return appends.map((append) => this.#append(append))
  }

  async readLog(channel: Channel, request: PageRequest): Promise<Page> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    const log = store.logs.get(channel)
    const epoch = store.logs.epochOf(log)
    if (log !== undefined) return log.page(epoch, request, store.now())
    const extent = nothingAt(epoch)
    return { ...extent, ...pageOf([], extent, request) }
  }

  async extents(channels: readonly Channel[]): Promise<readonly LogExtent[]> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    return channels.map((channel) => {
      const log = store.logs.get(channel)
      const epoch = store.logs.epochOf(log)
      return log === undefined ? nothingAt(epoch) : log.extent(epoch, store.now())
    })
  }

  async erase(channel: Channel, { epoch, term, number }: LogPosition): Promise<boolean> {
    this.#handle.assertOpen()
    const log = this.#known(channel)
    if (log === undefined || this.#handle.store.logs.epochOf(log) !== epoch) return false
    return this.#handle.store.logs.change(channel, () => log.erase(term, number))
  }

  async eraseAll(channel: Channel): Promise<void> {
    this.#handle.assertOpen()
    if (this.#known(channel) !== undefined) this.#handle.store.logs.change(channel, (log) => log.eraseAll())
  }

  #known(channel: Channel): ChannelLog | undefined {
    return this.#handle.store.logs.get(channel)
  }

  #append({ channel, keep, message, triedAgo }: Append): Appended {
    const { store } = this.#handle
    const now = store.now()
    const since = triedAgo === undefined ? undefined : now - triedAgo
    return store.logs.change(channel, (log) => {
      const number = log.append(message, keep, now, since)
      const era = { epoch: store.logs.epochOf(log), term: log.born }
      return { ...era, number, previous: number - 1, route: this.#routeOf(channel) }
    })
  }

  #routeOf(channel: Channel): Route {
    const { routes, places } = this.#handle.store
    if (channel.type === 'all') return { nodes: places.readers, stamp: 0, settled: true }
    const uids = channel.type === 'user' ? [channel.uid] : []
    const groups = channel.type === 'group' ? [channel.group] : []
    const located = routes.locate({ uids, groups, connections: [] })
    return (located.uids[0] ?? located.groups[0])!
  }
}

const nothingAt = (epoch: string): LogExtent => ({ epoch, terms: [], first: 1, top: 0 })
