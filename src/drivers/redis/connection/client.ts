import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { FlotillaError } from '../../../errors.ts'
import { withDeadline } from '../../../lib/deadline.ts'
import type { DriverSettings } from '../../driver.ts'
import type { Address, Store } from './address.ts'
import { ClusterRouter } from './cluster-router.ts'
import { type Commands, connect } from './connect.ts'
import { Histories } from './histories.ts'
import { adviceOn, isFromReplica, isLasting, isPassingRefusal, isRedirection, ReplyError } from './refusal.ts'
import type { HotScript, ScriptCall } from './script-call.ts'

export type { Commands } from './connect.ts'

const RETRY_PAUSE = 50
/** Commands that may be unanswered at once: beyond it the store is too far behind to promise anything. */
const MAX_WAITING = 10_000
/** ms between two attempts to find the master where a replica has answered. */
const LEAVE_PAUSE = 250
const MAX_LOADS = 3

/**
 * A connection to Redis on which every command is safe to send twice, and is therefore sent again until it is answered
 * or `storeWait` has passed. ioredis itself must not resend: what it sends again after a lost reply overtakes or doubles
 * what we send.
 */
export class RedisClient {
  readonly address: Address
  /** Tells of servers that may lack the last of what the store had answered. */
  readonly histories: Histories
  readonly #redis: Commands
  /** The same, where it is a cluster. */
  readonly #router: ClusterRouter | undefined
  readonly #store: Store
  readonly #settings: DriverSettings
  #closed = false
  #lastError: Error | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  /** Why Redis does not let us in, until it does. */
  #refusal: Error | undefined
  #leftAt = Number.NEGATIVE_INFINITY
  /** Wakes those who wait for the connection; they leave when their time is over, however long Redis is away. */
  readonly #sleepers = new Set<() => void>()
  #waiting = 0

  constructor(store: Store, settings: DriverSettings, role: string) {
    this.address = store.address
    this.#store = store
    this.#settings = settings
    this.#redis = connect(store.address, settings, role, settings.storeWait)
    const redis: Redis = this.#redis
    this.#router = redis instanceof ClusterRouter ? redis : undefined
    this.histories = new Histories(redis)
    // What matters of it reaches the caller of a command.
    this.#redis.on('error', (error: Error) => {
      this.#remember(error)
      if (isLasting(error)) this.#refusal = error
      // It may say that waiting is in vain.
      if (!store.hasServed) this.#wake()
    })
    this.#redis.on('ready', () => {
      this.#refusal = undefined
      this.#wake()
    })
    this.#redis.on('end', () => this.#wake())
  }

  /** Where the store is a cluster: who has which slot. */
  get router(): ClusterRouter | undefined {
    return this.#router
  }

  /** The connection that a command on this key goes to, where it is known. */
  connectionFor(key: string): Redis | undefined {
    return this.#router === undefined ? this.#redis : this.#router.masterFor(key)
  }

  /**
   * @throws FlotillaError `FLT_STORE_AWAY` after `storeWait`; `FLT_BAD_OPTION` at once where Redis has never served us,
   * and says what waiting does not help against; `FLT_CLOSED` after `close`
   */
  async run<T>(command: (redis: Commands) => Promise<T>, wait = this.#settings.storeWait): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw this.#away()
    this.#waiting++
    const attempt = this.#attempt(command, performance.now() + wait).finally(() => this.#waiting--)
    // A server that hangs keeps the socket open and says nothing: the caller is told in time all the same.
    return withDeadline(attempt, wait, () => this.#away())
  }

  /**
   * One round trip for the commands that `send` calls; rejects when one of them failed. ioredis' own pipeline copies each
   * of its 500 methods into a new object every time, which costs more than a few commands do.
   */
  async batch(send: (redis: Commands) => Promise<unknown>[]): Promise<unknown[]> {
    const router = this.#router
    if (router !== undefined) return this.run((redis) => sendToMasters(router, () => send(redis)))
    return this.run((redis) => {
      const { stream } = redis
      stream.cork()
      try {
        return Promise.all(send(redis))
      } finally {
        stream.uncork()
      }
    })
  }

  /** One call of a script. */
  call(script: HotScript, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#known(script, () => this.run((redis) => redis.evalsha(script.sha, keys.length, ...keys, ...args)))
  }

  /** One round trip for several calls of a script. */
  async callEach(script: HotScript, makeCalls: () => ScriptCall[]): Promise<unknown[]> {
    // ioredis settles a command once: each attempt makes its own.
    const send = (redis: Commands): Promise<unknown>[] =>
      makeCalls().map((call) => {
        void redis.sendCommand(call)
        return call.promise
      })
    return this.#known(script, () => this.batch(send))
  }

  /** One call of a script, and how many replicas had what it wrote within `wait` ms. */
  callReplicated(
    script: HotScript,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
    wait: number,
  ): Promise<{ reply: unknown; replicaCount: number }> {
    return this.#known(script, () =>
      this.run(async (redis) => {
        const connection = this.connectionFor(keys[0]!)
        if (connection?.status !== 'ready') throw new Error('the master of this slot is not connected')
        const redirections = this.#router?.redirections
        const written = redis.evalsha(script.sha, keys.length, ...keys, ...args)
        const [reply, replicaCount] = await Promise.all([written, connection.wait(1, wait)])
        // WAIT was not where the script has been.
        if (this.#router?.redirections !== redirections) throw new Error('the slot has moved meanwhile')
        return { reply, replicaCount }
      }),
    )
  }

  /** Hands the script to Redis where Redis does not have it, and calls again. */
  async #known<T>(script: HotScript, call: () => Promise<T>): Promise<T> {
    // In a cluster, another master that lacks it may have taken over meanwhile.
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      try {
        return await call()
      } catch (error) {
        if (!isUnknownScript(error)) throw error
      }
      await this.run((redis) => this.#load(redis, script))
    }
    return call()
  }

  #load(redis: Commands, { lua }: HotScript): Promise<unknown> {
    if (this.#router === undefined) return redis.script('LOAD', lua)
    const masters = this.#router.masters.filter(({ status }) => status === 'ready')
    return Promise.all(masters.map((master) => master.script('LOAD', lua)))
  }

  close(): void {
    this.#closed = true
    this.#redis.disconnect()
    // A client that was just about to reconnect says nothing more.
    this.#wake()
  }

  async #attempt<T>(command: (redis: Commands) => Promise<T>, deadline: number): Promise<T> {
    for (;;) {
      if (this.#closed) throw closed()
      try {
        if (this.#redis.status === 'wait') this.#redis.connect().catch(ignore)
        if (this.#redis.status === 'ready') {
          const reply = await command(this.#redis)
          this.#store.hasServed = true
          return reply
        }
      } catch (error) {
        if (!this.#isPassing(error)) throw this.#final(error)
        this.#remember(error as Error)
        if (isFromReplica(error as Error)) this.#leaveReplica()
        if (!this.#store.hasServed && (isLasting(error as Error) || this.#isMisled(error)))
          throw refused(error as Error)
      }
      if (!this.#store.hasServed && this.#refusal !== undefined) throw refused(this.#refusal)
      const left = deadline - performance.now()
      if (left <= 0) throw this.#away()
      await this.#nextChance(left)
    }
  }

  #isPassing(error: unknown): boolean {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return false
    return this.#closed || this.#redis.status !== 'ready' || !(error instanceof ReplyError) || isPassingRefusal(error)
  }

  /** What Redis will not do at all; a script that it lacks is handed to it. */
  #final(error: unknown): unknown {
    if (!(error instanceof ReplyError) || isUnknownScript(error)) return error
    if (!this.#store.hasServed) return refused(error)
    const message = `Redis cannot do what was asked of it: see its settings, and what else writes there (Redis said: ${error.message})`
    return new FlotillaError('FLT_INTERNAL', message, { cause: error })
  }

  /** A member of a cluster was taken for a Redis that stands alone. */
  #isMisled(error: unknown): boolean {
    return this.#router === undefined && isRedirection(error)
  }

  /** Waits for the connection, or a moment where it stands and Redis itself is not ready. */
  async #nextChance(left: number): Promise<void> {
    if (this.#redis.status === 'ready') await sleep(Math.min(RETRY_PAUSE, left))
    else await this.#comesBack(left)
  }

  #comesBack(left: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, left).unref()
      this.#sleepers.add(wake)
    })
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake()
  }

  /** A server that is no master any more will not be one soon: a new connection may lead to the one that is. */
  #leaveReplica(): void {
    const now = performance.now()
    if (this.#router !== undefined || this.#redis.status !== 'ready' || now - this.#leftAt < LEAVE_PAUSE) return
    this.#leftAt = now
    this.#redis.disconnect(true)
  }

  /** What says why is not forgotten for what only says that it failed. */
  #remember(error: Error): void {
    if (adviceOn(error) === undefined && this.#advice !== undefined) return
    this.#lastError = error
    this.#failedAt = performance.now()
  }

  /** What it said long ago need not be what it lacks now. */
  get #advice(): string | undefined {
    const isFresh = performance.now() - this.#failedAt < 2 * this.#settings.storeWait
    return isFresh ? adviceOn(this.#lastError) : undefined
  }

  #away(): FlotillaError {
    if (this.#closed) return closed()
    const message = this.#advice ?? 'the store does not answer: try again, and check that Redis runs'
    return new FlotillaError('FLT_STORE_AWAY', message, { cause: this.#lastError })
  }
}

/** Resolves, or rejects, once all of them have ended: what is on its way to one master must not come after a repetition. */
async function sendToMasters(router: ClusterRouter, send: () => Promise<unknown>[]): Promise<unknown[]> {
  const uncork = router.corkAll()
  let sent: Promise<unknown>[]
  try {
    sent = send()
  } finally {
    uncork()
  }
  // Invariant K2: all has ended before anything is sent again, so nothing old arrives behind the repetition.
  await Promise.allSettled(sent)
  return Promise.all(sent)
}

function refused(cause: Error): FlotillaError {
  const what = isRedirection(cause)
    ? 'this Redis is a member of a cluster: write redis+cluster:// into the URL'
    : 'this Redis cannot do what Flotilla needs: take Redis 6.2 or newer, with all its commands'
  const advice = (isLasting(cause) && adviceOn(cause)) || `${what} (Redis said: ${cause.message})`
  return new FlotillaError('FLT_BAD_OPTION', `url: ${advice}`, { cause })
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof ReplyError && error.message.startsWith('NOSCRIPT')
}

function ignore(): void {}

function closed(): FlotillaError {
  return new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
}
