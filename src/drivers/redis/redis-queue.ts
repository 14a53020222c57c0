import type { Receipt } from '../../api.ts'
import {
  newProcessId,
  type NodeId,
  type ProcessId,
  processOfNode,
  type PushId,
  SEAT_COUNT,
} from '../../envelope/ids.ts'
import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import type { Entry, Handler, Refused, Stop } from '../entry.ts'
import type { Published } from '../inboxes.ts'
import type { Ingress } from '../ingress.ts'
import type { PushIds, Reservation } from '../push-ids.ts'
import type { Queue } from '../queue.ts'
import { AckGatherer } from './ack-gatherer.ts'
import { BroadcastReader } from './broadcast-reader.ts'
import type { Store } from './connection/address.ts'
import { type Commands, RedisClient } from './connection/client.ts'
import type { ClusterRouter } from './connection/cluster-router.ts'
import { HotScript } from './connection/script-call.ts'
import { IdRecords } from './id-records.ts'
import { Keys } from './keys.ts'
import { type RawEntry, type StreamPlace, StreamReader, toEntry } from './reader.ts'
import { asBuffer } from './records.ts'
import { RedisIngress } from './redis-ingress.ts'
import { type Durability, ReplicatedAppends } from './replicated-appends.ts'
import { publishAllLua } from './scripts/broadcasts.ts'
import { publishLua } from './scripts/inboxes.ts'

const publish = new HotScript(publishLua)
const publishAll = new HotScript(publishAllLua)

const MAX_POISON = 1_000
/** What a dead node's poison is kept for, so that a person can still look at it. */
const KEEP_POISON = 86_400_000
const FIRST_DRAIN = 16
const MAX_DRAIN = 1_024
/** Bytes of entries that are drained at a time, about. */
const DRAIN_BYTES = 2 ** 22
/** An ack costs as much as a publish: one for so many entries, or so many ms. */
const ACK_EVERY = { entries: 64, ms: 20 }
const ACK_ALL_EVERY = { entries: 256, ms: 100 }
const TRIM_PAUSE = 250
const REBUILD_PAUSE = 50
/** How long a gone node's place among the broadcasts is kept, in ms: its process may wake up. */
const HOLD_PLACE = 60_000
/** How long a seat is kept for a node that has yet to open its inbox, in ms. */
const KEEP_SEAT = 60_000
/** By then the store's clock has passed it, too. */
const LAPSE_SLACK = 100
/** Has no place that could go. */
const NOBODY = '' as NodeId

export class RedisQueue implements Queue, PushIds {
  readonly ingress: Ingress
  readonly seat?: (process: ProcessId) => Promise<number>
  readonly #settings: DriverSettings
  readonly #client: RedisClient
  /** What appends, and waits for a replica where that was asked for. */
  readonly #appends: Pick<RedisClient, 'call' | 'close'>
  readonly #keys: Keys
  readonly #readers = new Set<StreamReader>()
  readonly #ids: IdRecords
  readonly #acks: AckGatherer
  readonly #acksOfAll: AckGatherer
  #trim: NodeJS.Timeout | undefined
  readonly #salt = newProcessId()
  #knownEpoch = ''
  #closed = false

  constructor(store: Store, settings: DriverSettings, durability: Durability) {
    this.#settings = settings
    this.#keys = new Keys(settings.prefix, { isCluster: store.address.type === 'cluster' })
    this.#client = new RedisClient(store, settings, 'queue')
    const { router } = this.#client
    if (router !== undefined) this.seat = (process) => this.#seat(process, router)
    this.#appends = durability === 'replicated' ? new ReplicatedAppends(store, settings) : this.#client
    this.ingress = new RedisIngress(this.#client, this.#keys, (stream, handler) => this.#follow(stream, handler))
    this.#ids = new IdRecords(this.#client, this.#keys)
    const { logger } = settings
    this.#acks = new AckGatherer(ACK_EVERY, logger, (node, position) => this.#ackNow(node, position))
    this.#acksOfAll = new AckGatherer(ACK_ALL_EVERY, logger, (node, position) => this.#ackAllNow(node, position))
  }

  async #seat(process: ProcessId, router: ClusterRouter): Promise<number> {
    const { allCursors, allSeats } = this.#keys
    return (await this.#client.run((redis) =>
      redis.fltSeat([allCursors(), allSeats()], [process, this.#mastersOfSeats(router), KEEP_SEAT]),
    )) as number
  }

  /** A byte for each seat: which of the masters it lies on. */
  #mastersOfSeats(router: ClusterRouter): Buffer {
    const numbers = new Map<string | undefined, number>()
    const masters = Array.from({ length: SEAT_COUNT }, (_, seat) => {
      const address = router.addressFor(this.#keys.seat(seat))
      const number = numbers.get(address) ?? numbers.size
      numbers.set(address, number)
      return number
    })
    return Buffer.from(masters)
  }

  async open(node: NodeId, before?: NodeId): Promise<number> {
    const keys = this.#keys
    const [epoch, place] = (await this.#client.run((redis) =>
      redis.fltOpenAll(
        [keys.allMeta(), keys.allCursors(), keys.allHeld(), keys.allSeats()],
        [node, this.#salt, before ?? '', processOfNode(node)],
      ),
    )) as [epoch: string, place: string]
    // What was known before a loss stays known: only so a loss is noticed.
    if (this.#knownEpoch === '') this.#knownEpoch = epoch
    await this.#client.run((redis) => redis.fltOpenInbox(keys.inbox(node), keys.inboxMeta(node)))
    return Number(place.split(' ')[1])
  }

  async isOpen(node: NodeId): Promise<boolean> {
    const [inbox, cursor] = await this.#client.batch((redis) => [
      redis.exists(this.#keys.inbox(node)),
      redis.hexists(this.#keys.allCursors(), node),
    ])
    return inbox === 1 && cursor === 1
  }

  // ---- publishing

  async publish(node: NodeId, batch: Uint8Array, isOwed = false): Promise<Published> {
    const { maxInboxBytes, maxLag = 0 } = this.#settings
    const keys = [this.#keys.inbox(node), this.#keys.inboxMeta(node)]
    const reply = await this.#appends.call(publish, keys, [asBuffer(batch), isOwed ? '' : maxInboxBytes, maxLag])
    if (reply === 1) return 'stored'
    return reply === -1 ? 'closed' : refusalOf(reply)
  }

  async publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }> {
    const deadline = performance.now() + this.#settings.storeWait
    for (;;) {
      const [outcome, nodeCount, epoch] = await this.#tryPublishAll(batch)
      if (outcome === 1) {
        this.#knownEpoch = epoch
        return { type: 'stored', nodeCount }
      }
      if (outcome !== -1) return { type: refusalOf(outcome) }
      if (performance.now() > deadline)
        throw new FlotillaError('FLT_STORE_AWAY', 'the store was lost and is being rebuilt: try again')
      await new Promise((resolve) => setTimeout(resolve, REBUILD_PAUSE))
    }
  }

  #tryPublishAll(batch: Uint8Array): Promise<[outcome: -2 | -1 | 0 | 1, nodeCount: number, epoch: string]> {
    const keys = this.#keys
    const { maxInboxBytes, maxLag = 0, heartbeat } = this.#settings
    return this.#appends.call(
      publishAll,
      [keys.all(), keys.allMeta(), keys.allCursors(), keys.allHeld()],
      [asBuffer(batch), maxInboxBytes, this.#salt, this.#knownEpoch, heartbeat + 1_000, maxLag],
    ) as Promise<[-2 | -1 | 0 | 1, number, string]>
  }

  async newestBroadcast(): Promise<number> {
    return Number(await this.#client.run((redis) => redis.hget(this.#keys.allMeta(), 'in')))
  }

  // ---- reading

  consume(node: NodeId, handler: Handler): Stop {
    const place = { key: this.#keys.inbox(node), role: 'inbox', start: fromTheStart }
    return this.#follow(place, (entries) => handler(entries.map(toEntry)))
  }

  consumeAll(node: NodeId, handler: Handler): Stop {
    let isStopped = false
    const reader = new BroadcastReader(this.#client, this.#keys.all(), handler, () => isStopped || this.#closed)
    const place = { key: this.#keys.all(), role: 'all', start: () => this.#placeIn(node) }
    const stop = this.#follow(place, (rows) => reader.take(rows))
    return () => {
      isStopped = true
      return stop()
    }
  }

  /** Where in the broadcast stream a node reads on. */
  async #placeIn(node: NodeId): Promise<string> {
    const keys = this.#keys
    return (await this.#client.run((redis) => redis.fltPlaceInAll(keys.allMeta(), keys.allCursors(), node))) as string
  }

  #follow(place: StreamPlace, handler: (entries: readonly RawEntry[]) => Promise<void> | void): Stop {
    const reader = new StreamReader(this.#client, this.#settings, place, async (entries) => handler(entries))
    this.#readers.add(reader)
    return async () => {
      this.#readers.delete(reader)
      await reader.stop()
    }
  }

  ack(node: NodeId, position: string): void {
    this.#acks.add(node, position)
  }

  ackAll(node: NodeId, position: string): void {
    this.#acksOfAll.add(node, position)
  }

  #ackNow(node: NodeId, position: string): Promise<unknown> {
    const [id, bytes, origin] = position.split(' ') as [string, string, string]
    const inbox = this.#keys.inbox(node)
    return this.#runWhereRead(inbox, origin, (redis) =>
      redis.fltAck(inbox, this.#keys.inboxMeta(node), idAfter(id), bytes),
    )
  }

  #ackAllNow(node: NodeId, position: string): Promise<unknown> {
    const [id, bytes, origin] = position.split(' ') as [string, string, string]
    return this.#runWhereRead(this.#keys.all(), origin, (redis) => this.#setCursor(redis, node, id, bytes))
  }

  /** Without an id the node's place goes. */
  async #setCursor(redis: Commands, node: NodeId, id = '', bytes = ''): Promise<void> {
    const { allHeld, allMeta, allCursors, all } = this.#keys
    const keys = [all(), allMeta(), allCursors(), allHeld()]
    const untilLapse = (await redis.fltAckAll(keys, node, id, bytes, TRIM_PAUSE)) as number
    if (untilLapse > 0) this.#trimIn(untilLapse)
  }

  /**
   * Acks only at the server that the entry was read from: one that has taken its place may have given the same ids to
   * entries that nobody has read. There they are read again, and acked again.
   */
  #runWhereRead(key: string, origin: string, ack: (redis: Commands) => Promise<unknown>): Promise<unknown> {
    return this.#client.run(async (redis) => {
      const runId = this.#client.histories.runIdOf(this.#client.connectionFor(key))
      if (runId === undefined) throw new Error('which server this is will be known in a moment')
      return runId === origin || origin === '' ? ack(redis) : undefined
    })
  }

  async flushAcks(): Promise<void> {
    await Promise.all([this.#acks.flush(), this.#acksOfAll.flush()])
  }

  async setAside(node: NodeId, entry: Entry, reason: string): Promise<void> {
    await this.#client.run((redis) =>
      redis.xadd(this.#keys.poison(node), 'MAXLEN', MAX_POISON, '*', 'reason', reason, 'd', asBuffer(entry.bytes)),
    )
  }

  // ---- takeover

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

  async replayAll(node: NodeId): Promise<void> {
    const keys = this.#keys
    const isHeld = await this.#client.run((redis) =>
      redis.fltReplayAll(keys.all(), keys.allMeta(), keys.allCursors(), keys.allHeld(), node, HOLD_PLACE),
    )
    if (isHeld === 1) this.#trimIn(HOLD_PLACE)
  }

  /**
   * Trims what a place has held, once it has lapsed: the next broadcast may be long in coming. Everyone does who learns of
   * it, by taking over or by its own acks, for whoever does it may go before.
   */
  #trimIn(ms: number): void {
    if (this.#trim !== undefined || this.#closed) return
    const trim = async (): Promise<void> => {
      this.#trim = undefined
      try {
        await this.#client.run((redis) => this.#setCursor(redis, NOBODY))
      } catch (error) {
        this.#settings.logger.debug({ error }, 'the broadcasts were not trimmed; they will be')
        this.#trimIn(HOLD_PLACE)
      }
    }
    this.#trim = setTimeout(() => void trim(), ms + LAPSE_SLACK).unref()
  }

  async destroy(node: NodeId): Promise<void> {
    const keys = this.#keys
    await this.#client.run((redis) => redis.del(keys.sealed(node), keys.inboxMeta(node)))
    await this.#client.run((redis) => redis.pexpire(keys.poison(node), KEEP_POISON))
    await this.#client.run((redis) => this.#setCursor(redis, node))
  }

  // ---- idempotency

  reserve(id: PushId, digest: string, ttl: number): Promise<Reservation> {
    return this.#ids.reserve(id, digest, ttl)
  }

  settle(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void> {
    return this.#ids.settle(id, digest, receipt, ttl)
  }

  release(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void> {
    return this.#ids.release(id, digest, stored, ttl)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#trim)
    const readers = [...this.#readers]
    this.#readers.clear()
    await Promise.all([this.flushAcks(), ...readers.map((reader) => reader.stop())])
    this.#client.close()
    this.#appends.close()
  }
}

/** What the publishing scripts answer where they take nothing. */
const refusalOf = (reply: unknown): Refused => (reply === -2 ? 'behind' : 'full')

const fromTheStart = async (): Promise<string> => '0'

function idAfter(id: string): string {
  const [ms, sequence] = id.split('-')
  return `${ms}-${BigInt(sequence!) + 1n}`
}
