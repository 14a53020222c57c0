import { WebSocket } from 'ws'
import type { Random } from '../../rig/random.ts'
import type { Clock } from '../clock.ts'
import type { Connection, Ending, History, Membership } from '../history.ts'
import type { Node } from '../rig/node.ts'
import { numberOf } from './message.ts'
import type { Device } from './population.ts'
import type { Receiver } from './receiver.ts'

const HANDSHAKE_PATIENCE = 6_000
/** How long a client that closes in good order waits for the node's answer. */
const CLOSE_PATIENCE = 4_000
const FLOOD = { every: 200, messages: 20 }
const ABRUPT = 0.4
const AT = 0x40

export interface World {
  readonly nodes: readonly Node[]
  readonly clock: Clock
  readonly history: History
  readonly receiver: Receiver
  readonly clubs: readonly string[]
}

/** A user's device: connects, acts by its habit, and reconnects to whichever node a balancer chooses. */
export class Client {
  readonly #device: Device
  readonly #world: World
  readonly #random: Random
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #replies = new Map<number, (isDone: boolean) => void>()
  #socket: WebSocket | undefined
  #connection: Connection | undefined
  #ending: Ending | undefined
  #lastId = 0
  #isCalm = false
  #isEnded = false

  constructor(device: Device, world: World, random: Random) {
    this.#device = device
    this.#world = world
    this.#random = random
  }

  get isConnected(): boolean {
    return this.#connection !== undefined && this.#ending === undefined
  }

  connect(): void {
    if (this.#isEnded) return
    const node = this.#balance()
    const { clock, history } = this.#world
    const startedAt = clock.now
    const { uid, groups } = this.#device
    const url = `ws://127.0.0.1:${node.port}/chaos?uid=${uid}&groups=${groups.join(',')}`
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_PATIENCE })
    const life = node.life
    let reason = 'closed'
    this.#socket = socket
    this.#ending = undefined
    socket.on('open', () => this.#opened(node.slot, life, startedAt))
    socket.on('message', (data: Buffer) => this.#heard(data))
    socket.on('error', (error) => (reason = error.message))
    socket.on('close', (code) => {
      if (this.#connection === undefined) history.refusals.push({ at: clock.now, slot: node.slot, reason })
      else this.#closed(code)
      this.#after(this.#random.between(50, 600), () => this.connect())
    })
  }

  /** Ends its connection, with or without a closing handshake, and opens another one soon. */
  go(how: 'left' | 'vanished'): void {
    if (how === 'left') this.#leave()
    else this.#vanish()
  }

  /** From now on it leaves its node and its groups only if it has to. */
  calm(): void {
    this.#isCalm = true
  }

  end(): void {
    this.#isEnded = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#socket?.terminate()
  }

  /** Chooses a node like a balancer that knows which nodes are healthy; now and then it errs. */
  #balance(): Node {
    const { nodes } = this.#world
    const healthy = nodes.filter((node) => node.isUp)
    if (healthy.length === 0 || this.#random.chance(0.05)) return this.#random.pick(nodes)
    // The first device of a user prefers even slots, the second prefers odd ones.
    const preferred = healthy.filter((node) => (node.slot % 2 === 1) === this.#device.isSecond)
    return this.#random.pick(preferred.length > 0 && this.#random.chance(0.7) ? preferred : healthy)
  }

  #opened(slot: number, life: number, startedAt: number): void {
    const { clock, history } = this.#world
    const now = clock.now
    const { uid, groups, habit } = this.#device
    this.#connection = {
      number: history.connections.length,
      uid,
      slot,
      life,
      isSlow: habit === 'stalls',
      openedAt: now,
      leavingAt: Number.POSITIVE_INFINITY,
      closedAt: Number.POSITIVE_INFINITY,
      ending: 'open',
      code: undefined,
      node: '',
      memberships: groups.map((group) => membership(group, startedAt, now)),
      received: [],
      receivedAt: [],
    }
    history.connections.push(this.#connection)
    this.#live()
  }

  #closed(code: number): void {
    const connection = this.#connection!
    connection.closedAt = this.#world.clock.now
    connection.code = code
    connection.ending = this.#isEnded ? 'open' : (this.#ending ?? (code === 1006 ? 'broken' : 'closed'))
    // If the closing handshake was not completed in time, nobody knows which messages were still in flight.
    if (connection.ending === 'left' && code === 1006) connection.ending = 'broken'
    this.#connection = undefined
    for (const done of this.#replies.values()) done(false)
    this.#replies.clear()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  #heard(data: Buffer): void {
    const connection = this.#connection
    if (connection === undefined) return
    const number = numberOf(data)
    if (number !== undefined) this.#world.receiver.took(connection, number)
    else if (data[0] === AT) connection.node = data.toString('latin1', 1).split(' ')[0]!
    else this.#answered(connection, data.toString())
  }

  #answered(connection: Connection, text: string): void {
    const { clock, history } = this.#world
    const reply = parse(text)
    if (reply === undefined) history.strangers.push({ at: clock.now, connection: connection.number, text })
    else this.#replies.get(reply.id)?.(reply.data === true)
  }

  #live(): void {
    if (this.#device.isImpatient) this.#every(500, () => this.#lookAround())
    switch (this.#device.habit) {
      case 'steady':
        return
      case 'roams':
        return this.#after(this.#random.between(3_000, 15_000), () => this.#roam())
      case 'wanders':
        return this.#after(this.#random.between(500, 4_000), () => this.#join())
      case 'stalls':
        return this.#after(this.#random.between(2_000, 8_000), () => this.#stall())
      case 'floods':
        return this.#every(FLOOD.every, () => this.#flood())
    }
  }

  /** Notices that the node is paused, as a client with pings of its own would. */
  #lookAround(): void {
    const node = this.#world.nodes[this.#connection?.slot ?? 0]!
    if (node.pausedFor > 2_000) this.#vanish()
  }

  #roam(): void {
    if (this.#isCalm) return
    if (this.#random.chance(ABRUPT)) this.#vanish()
    else this.#leave()
  }

  #vanish(): void {
    if (this.#ending !== undefined || this.#connection === undefined) return
    this.#ending = 'vanished'
    this.#connection.leavingAt = this.#world.clock.now
    this.#socket?.terminate()
  }

  #leave(): void {
    if (this.#ending !== undefined || this.#connection === undefined) return
    this.#ending = 'left'
    this.#connection.leavingAt = this.#world.clock.now
    this.#socket?.close()
    this.#after(CLOSE_PATIENCE, () => {
      this.#ending = 'vanished'
      this.#socket?.terminate()
    })
  }

  #join(): void {
    const connection = this.#connection
    if (connection === undefined || this.#isCalm) return
    const { clock, clubs } = this.#world
    const group = this.#random.pick(clubs)
    const joined = membership(group, clock.now)
    connection.memberships.push(joined)
    this.#ask('join', group, (isDone) => {
      if (!isDone) return
      joined.joinedAt = clock.now
      this.#after(this.#random.between(1_000, 6_000), () => this.#quit(joined))
    })
  }

  #quit(joined: Membership): void {
    const { clock } = this.#world
    if (this.#isCalm) return
    joined.leavingAt = clock.now
    this.#ask('leave', joined.group, (isDone) => {
      if (!isDone) return
      joined.leftAt = clock.now
      this.#after(this.#random.between(500, 4_000), () => this.#join())
    })
  }

  #ask(cmd: string, group: string, done: (isDone: boolean) => void): void {
    const id = ++this.#lastId
    this.#replies.set(id, (isDone) => {
      this.#replies.delete(id)
      done(isDone)
    })
    this.#socket?.send(JSON.stringify({ cmd, data: { group }, id }))
  }

  #stall(): void {
    if (this.#isCalm) return
    this.#socket?.pause()
    this.#after(this.#random.between(1_000, 4_000), () => {
      this.#socket?.resume()
      this.#live()
    })
  }

  #flood(): void {
    for (let count = 0; count < FLOOD.messages; count++) this.#socket?.send('{"cmd":"ping","id":0}')
  }

  #after(ms: number, work: () => void): void {
    if (this.#isEnded) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, ms)
    this.#timers.add(timer)
  }

  #every(ms: number, work: () => void): void {
    this.#after(ms, () => {
      work()
      if (this.#connection !== undefined) this.#every(ms, work)
    })
  }
}

function membership(group: string, joiningAt: number, joinedAt = Number.POSITIVE_INFINITY): Membership {
  return { group, joiningAt, joinedAt, leavingAt: Number.POSITIVE_INFINITY, leftAt: Number.POSITIVE_INFINITY }
}

function parse(text: string): { id: number; data?: unknown } | undefined {
  try {
    const reply = JSON.parse(text) as { id?: unknown }
    return typeof reply.id === 'number' ? (reply as { id: number }) : undefined
  } catch {
    return undefined
  }
}
