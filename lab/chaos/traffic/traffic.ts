import { Random } from '../../rig/random.ts'
import type { Clock } from '../clock.ts'
import type { People } from '../faults/fault.ts'
import type { History, Push } from '../history.ts'
import type { Stage } from '../rig/stage.ts'
import type { Settings } from '../settings.ts'
import { Client } from './client.ts'
import { type Order, Orders } from './orders.ts'
import { Population } from './population.ts'
import { EmitterPublisher, HttpPublisher, type Publisher } from './publisher.ts'
import { Receiver } from './receiver.ts'

const TICK = 20
const BY_EMITTER = 0.5
/** Bytes of a message to a crowd. */
const CROWD_SIZE = 80
/** While this many pushes are pending, because the store is away, no more are made. */
const MOST_PENDING = 20_000

/** All clients and publishers. */
export class Traffic implements People {
  readonly clients: readonly Client[]
  readonly receiver: Receiver
  readonly #settings: Settings
  readonly #history: History
  readonly #clock: Clock
  readonly #orders: Orders
  readonly #crowds: readonly string[]
  readonly #random: Random
  readonly #emitter: Publisher
  readonly #https: readonly Publisher[]
  #timer: NodeJS.Timeout | undefined
  #startedAt = 0
  #doneCount = 0

  constructor(settings: Settings, stage: Stage, history: History) {
    const random = new Random(settings.seed)
    const population = new Population(random.fork('population'), settings.clients)
    const { clock, nodes } = stage
    this.#settings = settings
    this.#history = history
    this.#clock = clock
    this.#orders = new Orders(random.fork('orders'), population)
    this.#crowds = population.crowds
    this.#random = random.fork('publishers')
    this.#emitter = new EmitterPublisher(stage.emitterUrl, clock, settings)
    this.#https = nodes.map((node) => new HttpPublisher(node, clock))
    this.receiver = new Receiver(history, clock, settings.plant)
    const world = { nodes, clock, history, receiver: this.receiver, clubs: population.clubs }
    this.clients = population.devices.map((device, index) => new Client(device, world, random.fork(`client ${index}`)))
  }

  /** Connects all clients. */
  async connect(): Promise<void> {
    for (const [index, client] of this.clients.entries()) {
      client.connect()
      if (index % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  start(): void {
    this.#startedAt = this.#clock.now
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  leave(clients: readonly number[], how: 'left' | 'vanished'): void {
    for (const index of clients) this.clients[index]?.go(how)
  }

  pushToCrowd(which: number): void {
    const group = this.#crowds[which]!
    this.#push({ kind: 'group', uids: [], group, except: [], hasId: false, size: CROWD_SIZE })
  }

  /** From now on clients leave their nodes and groups only if they have to. */
  calm(): void {
    for (const client of this.clients) client.calm()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#history.trafficUntil = this.#clock.now
  }

  async close(): Promise<void> {
    this.stop()
    for (const client of this.clients) client.end()
    await Promise.all([this.#emitter, ...this.#https].map((publisher) => publisher.close()))
  }

  #tick(): void {
    const due = ((this.#clock.now - this.#startedAt) / 1_000) * this.#settings.rate
    // If this process itself stood still, it makes up for no more than a second of pushes.
    this.#doneCount = Math.max(this.#doneCount, due - this.#settings.rate)
    for (; this.#doneCount < due; this.#doneCount++) this.#push(this.#orders.next())
  }

  #push(order: Order): void {
    const publisher = this.#publisher()
    const { pushes } = this.#history
    const number = pushes.length
    const settled = pushes[Math.max(0, number - MOST_PENDING)]
    if (settled?.outcome === 'pending' && number > MOST_PENDING) return
    const now = this.#clock.now
    const push: Push = {
      number,
      publisher: publisher.name,
      kind: order.kind,
      uids: order.uids,
      group: order.group,
      except: order.except,
      id: order.hasId ? `${this.#settings.seed}-${number}` : undefined,
      size: order.size,
      firstCalledAt: now,
      lastCalledAt: now,
      callCount: 1,
      settledAt: Number.POSITIVE_INFINITY,
      outcome: 'pending',
      offline: [],
      error: undefined,
    }
    pushes.push(push)
    publisher.push(push)
  }

  #publisher(): Publisher {
    const publisher = this.#random.chance(BY_EMITTER) ? this.#emitter : this.#random.pick(this.#https)
    return publisher.isReady ? publisher : this.#emitter
  }
}
