import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Receipt } from '../../api.ts'
import type { NodeId, PushId } from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import type { Entry, Handler, Refused, Stop } from '../entry.ts'
import type { Published } from '../inboxes.ts'
import { LONGEST_ID, type PushIds, type Reservation } from '../push-ids.ts'
import type { Queue } from '../queue.ts'
import type { IdRecord, MemoryStore } from './memory-store.ts'
import { Reader } from './reader.ts'
import { Stream } from './stream.ts'

/** Poisoned entries that are kept of one node. */
const MAX_ASIDE = 1_000
/** Entries that are drained at a time. */
const DRAIN_COUNT = 256
const NOTHING = new Uint8Array()
/** How long a gone node's place among the broadcasts is kept, in ms. */
const HOLD_PLACE = 60_000

/** Queue in this process. A call takes effect at once; only its answer is a promise. */
export class MemoryQueue implements Queue, PushIds {
  readonly #store: MemoryStore
  readonly #settings: DriverSettings
  readonly #stops = new Set<Stop>()
  #closed = false

  constructor(store: MemoryStore, settings: DriverSettings) {
    this.#store = store
    this.#settings = settings
  }

  // ---- inboxes

  /** Opened again, it keeps what it holds and where it stood. */
  async open(node: NodeId, before?: NodeId): Promise<number> {
    this.#assertOpen()
    const { inboxes, places, heldPlaces, broadcasts } = this.#store
    const place = before === undefined ? undefined : (places.get(before) ?? heldPlaces.get(before)?.place)
    if (!inboxes.has(node)) inboxes.set(node, new Stream(() => this.#store.micros()))
    if (!places.has(node)) places.set(node, place ?? broadcasts.last)
    return places.get(node)!
  }

  async isOpen(node: NodeId): Promise<boolean> {
    this.#assertOpen()
    return this.#store.inboxes.has(node) && this.#store.places.has(node)
  }

  async publish(node: NodeId, batch: Uint8Array, isOwed = false): Promise<Published> {
    this.#assertOpen()
    const inbox = this.#store.inboxes.get(node)
    if (inbox === undefined) return 'closed'
    const refused = isOwed ? undefined : this.#refusalOf(inbox, batch, inbox.firstAfter(-1))
    if (refused !== undefined) return refused
    this.#append(inbox, batch, `in:${node}`)
    return 'stored'
  }

  consume(node: NodeId, handler: Handler): Stop {
    const { inboxes } = this.#store
    // Looked up each time: once the inbox is sealed, its old owner finds nothing.
    return this.#follow(`in:${node}`, handler, (cursor, limit) => inboxes.get(node)?.after(cursor, limit) ?? [])
  }

  ack(node: NodeId, position: string): void {
    this.#store.inboxes.get(node)?.forgetUpTo(Number(position))
  }

  async flushAcks(): Promise<void> {}

  async setAside(node: NodeId, entry: Entry, reason: string): Promise<void> {
    this.#assertOpen()
    const { aside } = this.#store
    const kept = aside.get(node) ?? []
    aside.set(node, [...kept, { entry, reason }].slice(-MAX_ASIDE))
  }

  // ---- broadcasts

  /** In the next turn of the event loop, for its readers' sake: else who awaits one after another fills the stream. */
  async publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }> {
    await nextTurn()
    this.#assertOpen()
    const { broadcasts, places } = this.#store
    if (places.size === 0) return { type: 'stored', nodeCount: 0 }
    // Before anything is refused, what is only kept for nodes that may come back goes.
    if (!broadcasts.hasRoomFor(batch.length, this.#settings.maxInboxBytes)) {
      this.#store.heldPlaces.clear()
      this.#trimBroadcasts()
    }
    const refused = this.#refusalOf(broadcasts, batch, broadcasts.firstAfter(Math.min(...places.values())))
    if (refused !== undefined) return { type: refused }
    this.#append(broadcasts, batch, 'all')
    return { type: 'stored', nodeCount: places.size }
  }

  async newestBroadcast(): Promise<number> {
    this.#assertOpen()
    return this.#store.broadcasts.last
  }

  consumeAll(node: NodeId, handler: Handler): Stop {
    const { broadcasts, places } = this.#store
    return this.#follow('all', handler, (cursor, limit) => {
      const place = places.get(node)
      return place === undefined ? [] : broadcasts.after(Math.max(cursor, place), limit)
    })
  }

  ackAll(node: NodeId, position: string): void {
    const place = this.#store.places.get(node)
    if (place === undefined) return
    this.#store.places.set(node, Math.max(place, Number(position)))
    this.#trimBroadcasts()
  }

  #trimBroadcasts(): void {
    const { broadcasts, places, heldPlaces } = this.#store
    for (const [node, { until }] of heldPlaces) if (until <= this.#store.now()) heldPlaces.delete(node)
    const held = Array.from(heldPlaces.values(), ({ place }) => place)
    broadcasts.forgetUpTo(Math.min(broadcasts.last, ...places.values(), ...held))
  }

  async replayAll(node: NodeId): Promise<void> {
    this.#assertOpen()
    const { broadcasts, places, heldPlaces } = this.#store
    const place = places.get(node)
    if (place === undefined) return
    places.delete(node)
    const missed = broadcasts.after(place, Number.POSITIVE_INFINITY).filter(({ isReplay }) => isReplay !== true)
    // Nobody is left to read it once more.
    if (places.size === 0) this.#trimBroadcasts()
    if (missed.length === 0 || places.size === 0) return
    heldPlaces.set(node, { place, until: this.#store.now() + HOLD_PLACE })
    broadcasts.repeat(missed)
    broadcasts.append(NOTHING)
    this.#store.appended.emit('all')
    // The next broadcast may be long in coming.
    setTimeout(() => this.#trimBroadcasts(), HOLD_PLACE + 1).unref()
  }

  // ---- takeover

  async seal(node: NodeId): Promise<void> {
    this.#assertOpen()
    const { inboxes, sealed } = this.#store
    const inbox = inboxes.get(node)
    if (inbox === undefined) return
    inboxes.delete(node)
    sealed.set(node, inbox)
  }

  async drain(node: NodeId, handler: (entries: readonly Entry[]) => Promise<void>): Promise<void> {
    for (let position = -1; ;) {
      this.#assertOpen()
      const entries = this.#store.sealed.get(node)?.after(position, DRAIN_COUNT) ?? []
      const last = entries.at(-1)
      if (last === undefined) return
      await handler(entries)
      position = Number(last.position)
      this.#store.sealed.get(node)?.forgetUpTo(position)
    }
  }

  async destroy(node: NodeId): Promise<void> {
    this.#assertOpen()
    const { inboxes, sealed, aside, places } = this.#store
    for (const map of [inboxes, sealed, aside, places]) map.delete(node)
    this.#trimBroadcasts()
  }

  // ---- idempotency

  async reserve(id: PushId, digest: string, ttl: number): Promise<Reservation> {
    this.#assertOpen()
    const now = this.#store.now()
    const known = this.#store.ids.get(id, now)
    if (known !== undefined && known.digest !== digest) return { type: 'conflict' }
    if (known?.state === 'done') return { type: 'done', receipt: known.receipt }
    if (known !== undefined && known.heldUntil > now) return { type: 'pending' }
    const stored = known?.stored ?? []
    this.#setId(id, { state: 'open', digest, heldUntil: now + Math.min(ttl, LONGEST_ID), stored }, ttl)
    return { type: 'fresh', stored }
  }

  async settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void> {
    this.#assertOpen()
    if (!this.#isSettled(id)) this.#setId(id, { state: 'done', digest, receipt }, ttl)
  }

  async release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void> {
    this.#assertOpen()
    if (this.#isSettled(id)) return
    if (stored.length === 0) this.#store.ids.delete(id)
    else this.#setId(id, { state: 'open', digest, heldUntil: 0, stored: [...stored] }, ttl)
  }

  #isSettled(id: PushId): boolean {
    return this.#store.ids.get(id, this.#store.now())?.state === 'done'
  }

  #setId(id: PushId, record: IdRecord, ttl: number): void {
    this.#store.ids.set(id, record, this.#store.now(), Math.min(ttl, LONGEST_ID))
  }

  /** Closes this handle; other servers and emitters go on with theirs. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#stops].map((stop) => stop()))
  }

  /** @param oldest what was not acked, if there is anything */
  #refusalOf(stream: Stream, { length }: Uint8Array, oldest: Entry | undefined): Refused | undefined {
    const { maxInboxBytes, maxLag = 0 } = this.#settings
    if (!stream.hasRoomFor(length, maxInboxBytes)) return 'full'
    const isBehind = maxLag > 0 && oldest !== undefined && this.#store.micros() - oldest.at > maxLag * 1_000
    return isBehind ? 'behind' : undefined
  }

  #append(stream: Stream, batch: Uint8Array, event: string): void {
    stream.append(batch)
    this.#store.appended.emit(event)
  }

  #follow(event: string, handler: Handler, read: (cursor: number, limit: number) => readonly Entry[]): Stop {
    this.#assertOpen()
    const { appended } = this.#store
    const reader = new Reader(read, handler, this.#settings.logger)
    const wake = (): void => reader.wake()
    const stop = async (): Promise<void> => {
      appended.off(event, wake)
      this.#stops.delete(stop)
      await reader.stop()
    }
    appended.on(event, wake)
    this.#stops.add(stop)
    reader.wake()
    return stop
  }

  #assertOpen(): void {
    if (this.#closed) throw new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
  }
}
