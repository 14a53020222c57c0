import { setTimeout as sleep } from 'node:timers/promises'
import slotOf from 'cluster-key-slot'
import { type Command, Redis, type RedisOptions } from 'ioredis'
import { withDeadline } from '../../../lib/deadline.ts'
import { type Endpoint, endpointOf } from './address.ts'
import { isUnreachable } from './fault.ts'
import { Link } from './link.ts'
import type { AddressBook } from './nat-map.ts'
import { NamedServerError } from './refusal.ts'
import { SlotMap } from './slot-map.ts'

const MAX_HOPS = 5
const ANSWER_WITHIN = 500
const REFRESH_EVERY = 1_000
const REFRESH_PAUSE = 100

/**
 * Sends each command to the master of its slot, over one connection to each master. It follows MOVED and ASK (Redis
 * Cluster: Redirection). If anything else goes wrong, the caller has to send the command again, as with a single Redis.
 * Once a second it asks who is master, because a master that hangs does not say that another has taken its place. It
 * then closes the connections to servers that are no longer masters, and the commands that wait there are sent again.
 *
 * Events: those of `Redis`; `master` with a connection that is ready for the first time, and whether the cluster began
 * with it; `moved` when slots have moved.
 */
export class ClusterRouter extends Redis {
  readonly #members: readonly Endpoint[]
  readonly #options: RedisOptions
  readonly #map: SlotMap
  readonly #masters = new Map<string, Redis>()
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined
  #isStarted = false
  #redirections = 0

  constructor(members: readonly Endpoint[], options: RedisOptions, book: AddressBook) {
    // This base connection is never opened.
    super({ ...options, replyMapping: 'legacy' })
    this.#members = members
    this.#options = options
    // The certificate of a member seldom has its IP address.
    this.#map = new SlotMap(book, { prefersNames: options.tls !== undefined })
  }

  /** How many commands were redirected. */
  get redirections(): number {
    return this.#redirections
  }

  get masters(): readonly Redis[] {
    return [...this.#masters.values()]
  }

  /** The master of the key's slot, as "host:port". */
  addressFor(key: string): string | undefined {
    return this.#map.masterOf(slotOf(key))
  }

  masterFor(key: string): Redis | undefined {
    return this.#masters.get(this.addressFor(key) ?? '')
  }

  /** Follows a redirection that a reader got on its own connection, and answers where the reader has to go. */
  redirected(error: unknown): { readonly address: string; readonly isAsking: boolean } | undefined {
    const redirection = this.#readRedirection(error)
    if (redirection === undefined) return undefined
    const { slot, address, isAsking } = redirection
    if (!isAsking) this.#learn(slot, address)
    return { address, isAsking }
  }

  /** Everything that is sent before the returned function is called leaves each connection in one write. */
  corkAll(): () => void {
    const streams = this.masters.filter(({ status }) => status === 'ready').map(({ stream }) => stream)
    for (const stream of streams) stream.cork()
    return () => {
      for (const stream of streams) stream.uncork()
    }
  }

  override async connect(): Promise<void> {
    if (this.#isStarted) return
    this.#isStarted = true
    this.status = 'connecting'
    await this.#refresh()
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_EVERY).unref()
  }

  override disconnect(): void {
    clearInterval(this.#timer)
    this.status = 'end'
    for (const master of this.#masters.values()) master.disconnect()
    this.#masters.clear()
    this.emit('end')
  }

  override sendCommand(command: Command): unknown {
    this.#follow(command, command.getSlot())
    return command.promise
  }

  #follow(command: Command, slot: number | null): void {
    const { reject } = command
    let hops = 0
    command.reject = (error) => {
      const redirection = hops++ < MAX_HOPS ? this.#readRedirection(error) : undefined
      if (redirection === undefined || this.status === 'end') return reject.call(command, error)
      this.#redirections++
      const { address, isAsking } = redirection
      if (!isAsking) this.#learn(redirection.slot, address)
      send(command, this.#open(address), isAsking)
    }
    const master = slot === null ? this.#anyMaster() : this.#masters.get(this.#map.masterOf(slot) ?? '')
    send(command, master, false)
  }

  #anyMaster(): Redis | undefined {
    return this.masters.find(({ status }) => status === 'ready')
  }

  /** "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381" */
  #readRedirection(error: unknown): { slot: number; address: string; isAsking: boolean } | undefined {
    if (!(error instanceof Error)) return undefined
    const [, type, slot, named] = /^(MOVED|ASK) (\d+) (\S+:\d+)$/.exec(error.message) ?? []
    if (named === undefined) return undefined
    return { slot: Number(slot), address: this.#map.outsideOf(named), isAsking: type === 'ASK' }
  }

  #learn(slot: number, address: string): void {
    // A reader may still be redirected after this was closed.
    if (this.status === 'end') return
    this.#map.learn(slot, address)
    this.#open(address)
    this.emit('moved')
    void this.#refresh()
  }

  #open(address: string): Redis {
    const known = this.#masters.get(address)
    if (known !== undefined) return known
    const master = new Link({ ...this.#options, ...endpointOf(address) })
    this.#masters.set(address, master)
    const isFromStart = this.status === 'connecting'
    const isGiven = this.#members.some(({ host, port }) => address === `${host}:${port}`)
    master.on('error', (error: Error) => {
      const isStranger = !isGiven && isUnreachable(error)
      this.emit('error', isStranger ? new NamedServerError(error.message, { cause: error }) : error)
    })
    master.once('ready', () => {
      this.emit('master', master, isFromStart)
      this.#settle()
    })
    // Another master may have taken its place.
    master.on('close', () => void this.#refresh())
    master.connect().catch(() => {})
    return master
  }

  #settle(): void {
    if (this.status === 'end' || this.status === 'ready') return
    this.status = 'ready'
    this.emit('ready')
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askAround().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /**
   * Asks one member after another who has which slot. One member's refusal need not be that of the others, so there is
   * an error only if all have failed.
   */
  async #askAround(): Promise<void> {
    let failure: Error | undefined
    const failed = (error: Error): void => {
      failure = error
    }
    const ready = shuffled(this.masters.filter(({ status }) => status === 'ready'))
    for (const master of ready) if (await this.#ask(master, failed)) return
    for (const member of shuffled(this.#members)) {
      if (this.status === 'end') return
      const redis = new Link({ ...this.#options, ...member, retryStrategy: () => null })
      redis.on('error', failed)
      // The `error` listener has the reason.
      const isConnected = await withDeadline(redis.connect(), ANSWER_WITHIN, late).then(
        () => true,
        () => false,
      )
      const isAnswered = isConnected && (await this.#ask(redis, failed))
      redis.disconnect()
      if (isAnswered) return
    }
    this.emit('error', failure ?? late())
    // Otherwise a caller that keeps refreshing would ask without a pause.
    await sleep(REFRESH_PAUSE)
  }

  async #ask(redis: Redis, failed: (error: Error) => void): Promise<boolean> {
    try {
      const lines = await withDeadline(redis.cluster('NODES') as Promise<string>, ANSWER_WITHIN, late)
      if (this.status !== 'end') this.#apply(lines, redis.options.host ?? '127.0.0.1')
      return true
    } catch (error) {
      failed(error as Error)
      return false
    }
  }

  #apply(lines: string, asked: string): void {
    const { masters, hasMoved } = this.#map.read(lines, asked)
    for (const address of masters) this.#open(address)
    for (const [address, master] of this.#masters) {
      if (masters.has(address)) continue
      this.#masters.delete(address)
      master.disconnect()
    }
    if (hasMoved) this.emit('moved')
  }
}

function send(command: Command, master: Redis | undefined, isAsking: boolean): void {
  if (master?.status !== 'ready') return command.reject(new Error('the master of this slot is not connected'))
  if (isAsking) master.asking().catch(() => {})
  master.sendCommand(command)
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function late(): Error {
  return new Error('this member of the cluster does not answer')
}
