import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { FlotillaError } from '../../../errors.ts'
import { withDeadline } from '../../../lib/deadline.ts'
import type { DriverSettings } from '../../driver.ts'
import { describeAddress, endpointsOf } from './address.ts'
import { ClusterRouter } from './cluster-router.ts'
import { type Commands, connect } from './connect.ts'
import { Histories } from './histories.ts'
import { whatIsWrongAt } from './probe.ts'
import {
  adviceOn,
  isFromReplica,
  isGone,
  isLasting,
  isObscure,
  isPassingRefusal,
  isRedirection,
  ReplyError,
  SilentError,
} from './refusal.ts'
import type { HotScript, ScriptCall } from './script-call.ts'
import { isEvicting, misfitOf, type ServerInfo } from './server-info.ts'
import type { Store } from './store.ts'

export type { Commands } from './connect.ts'

const RETRY_PAUSE = 50
/**
 * How many commands may wait for an answer at once. With more than that, the store is too far behind to promise
 * anything.
 */
const MAX_WAITING = 10_000
/** After a replica has answered: ms between two attempts to find the master. */
const LEAVE_PAUSE = 250
const MAX_LOADS = 3

/**
 * A connection to Redis on which every command is safe to send twice. So a command is sent again until it is answered
 * or `storeWait` has passed. ioredis itself must not send anything again: after a lost reply, its copy would overtake
 * or double ours.
 */
export class RedisClient {
  readonly store: Store
  /** Reports servers that may lack the last writes that the store had confirmed. */
  readonly histories: Histories
  readonly #redis: Commands
  /** The same connection as `#redis`, if the store is a cluster. */
  readonly #router: ClusterRouter | undefined
  readonly #settings: DriverSettings
  #closed = false
  #lastError: Error | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  /** Why Redis refuses this connection, until it accepts it. */
  #refusal: Error | undefined
  /** Whether the server at the end of the connection has said what it is, or may not be asked. */
  #isMet = false
  #isProbing = false
  #leftAt = Number.NEGATIVE_INFINITY
  /** Wakes the calls that wait for the connection. A call leaves when its time is over, however long Redis is away. */
  readonly #sleepers = new Set<() => void>()
  #waiting = 0

  constructor(store: Store, settings: DriverSettings, role: string) {
    this.store = store
    this.#settings = settings
    this.#redis = connect(store, settings, role, settings.storeWait)
    const redis: Redis = this.#redis
    this.#router = redis instanceof ClusterRouter ? redis : undefined
    this.histories = new Histories(redis, (info) => this.#meet(info))
    // Nothing has to be logged: the caller of a command gets the error.
    this.#redis.on('error', (error: Error) => {
      this.#remember(error)
      if (!store.hasServed && isObscure(error)) return void this.#probe(error)
      if (isLasting(error)) this.#refusal = error
      // Whoever refused us has gone, and what comes in its place may be configured otherwise.
      else if (isGone(error)) this.#refusal = undefined
      // The error may mean that waiting is useless.
      if (!store.hasServed) this.#wake()
    })
    this.#redis.on('ready', () => {
      this.#refusal = undefined
      this.#isMet = false
      this.#wake()
    })
    this.#redis.on('end', () => this.#wake())
  }

  /** Knows which master has which slot, if the store is a cluster. */
  get router(): ClusterRouter | undefined {
    return this.#router
  }

  /** The connection that a command on this key goes to, if it is known. */
  connectionFor(key: string): Redis | undefined {
    return this.#router === undefined ? this.#redis : this.#router.masterFor(key)
  }

  /**
   * @throws FlotillaError `FLT_STORE_AWAY` after `storeWait`; `FLT_BAD_OPTION` at once if Redis has never served us and
   * refuses for a reason that waiting does not mend; `FLT_CLOSED` after `close`
   */
  async run<T>(command: (redis: Commands) => Promise<T>, wait = this.#settings.storeWait): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw this.#away()
    this.#waiting++
    const attempt = this.#attempt(command, performance.now() + wait).finally(() => this.#waiting--)
    // A server that hangs keeps the socket open and says nothing. The caller gets its answer in time all the same.
    return withDeadline(attempt, wait, () => this.#away())
  }

  /**
   * Sends in one round trip the commands that `send` calls, and rejects if one of them failed. ioredis' own pipeline
   * copies each of its 500 methods into a new object every time, which costs more than a few commands do.
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

  /** Calls a script once. */
  call(script: HotScript, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#known(script, () => this.run((redis) => redis.evalsha(script.sha, keys.length, ...keys, ...args)))
  }

  /** Calls a script several times, in one round trip. */
  async callEach(script: HotScript, makeCalls: () => ScriptCall[]): Promise<unknown[]> {
    // ioredis settles a command only once, so each attempt makes its own.
    const send = (redis: Commands): Promise<unknown>[] =>
      makeCalls().map((call) => {
        void redis.sendCommand(call)
        return call.promise
      })
    return this.#known(script, () => this.batch(send))
  }

  /** Calls a script once, and says how many replicas had what it wrote within `wait` ms. */
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
        // The script ran on another master than WAIT.
        if (this.#router?.redirections !== redirections) throw new Error('the slot moved to another master meanwhile')
        return { reply, replicaCount }
      }),
    )
  }

  /**
   * Calls a script several times, in one round trip, and says how many replicas had what all calls wrote within `wait`
   * ms: the fewest of any master.
   */
  callEachReplicated(
    script: HotScript,
    makeCalls: () => ScriptCall[],
    wait: number,
  ): Promise<{ replies: unknown[]; replicaCount: number }> {
    return this.#known(script, () =>
      this.run(async (redis) => {
        const calls = makeCalls()
        const connections = [...new Set(calls.map(({ key }) => this.connectionFor(key)))].map((connection) => {
          if (connection?.status !== 'ready') throw new Error('the master of this slot is not connected')
          return connection
        })
        const redirections = this.#router?.redirections
        const sent = calls.map((call) => {
          void redis.sendCommand(call)
          return call.promise
        })
        const waits = connections.map((connection) => connection.wait(1, wait))
        // Invariant K2: all has ended before anything is sent again.
        await Promise.allSettled([...sent, ...waits])
        const [replies, counts] = [await Promise.all(sent), await Promise.all(waits)]
        if (this.#router?.redirections !== redirections) throw new Error('the slot moved to another master meanwhile')
        return { replies, replicaCount: Math.min(...counts) }
      }),
    )
  }

  /** Calls a script. If Redis does not have the script, loads it and calls again. */
  async #known<T>(script: HotScript, call: () => Promise<T>): Promise<T> {
    // In a cluster, another master that lacks the script may have taken over meanwhile.
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
    // A client that was about to reconnect emits nothing more.
    this.#wake()
  }

  async #attempt<T>(command: (redis: Commands) => Promise<T>, deadline: number): Promise<T> {
    for (;;) {
      if (this.#closed) throw closed()
      try {
        if (this.#redis.status === 'wait') this.#redis.connect().catch(ignore)
        if (this.#isUsable) {
          const reply = await command(this.#redis)
          this.store.hasServed = true
          return reply
        }
      } catch (error) {
        if (!this.#isPassing(error)) throw this.#final(error)
        this.#remember(error as Error)
        if (isFromReplica(error as Error)) this.#leaveReplica()
        if (!this.store.hasServed && (isLasting(error as Error) || this.#isMisled(error))) throw refused(error as Error)
      }
      if (!this.store.hasServed && this.#refusal !== undefined) throw refused(this.#refusal)
      const left = deadline - performance.now()
      if (left <= 0) throw this.#away()
      await this.#nextChance(left)
    }
  }

  /** Nothing is asked of a server before it has said what it is: another one may do some commands, and not others. */
  get #isUsable(): boolean {
    if (this.#redis.status !== 'ready') return false
    return this.store.hasServed || (this.#isMet && this.#refusal === undefined)
  }

  #meet(info: ServerInfo): void {
    const { store } = this
    this.#isMet = true
    if (!store.hasServed) this.#refusal = misfitOf(info, store.address.type)
    if (isEvicting(info)) this.#warnOfEviction(info)
    this.#wake()
  }

  #warnOfEviction({ evictionPolicy }: ServerInfo): void {
    const { store } = this
    if (store.hasWarned === true) return
    store.hasWarned = true
    this.#settings.logger.warn(
      { store: describeAddress(store.address), policy: evictionPolicy },
      'Redis throws keys away when it has used up maxmemory, and messages with them: set its maxmemory-policy to noeviction',
    )
  }

  /** Finds out whether the server speaks TLS where the URL says otherwise, or is no Redis at all. */
  async #probe(error: Error): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    const { address } = this.store
    const findings = endpointsOf(address).map((endpoint) => whatIsWrongAt(endpoint, address.isTls))
    const found = (await Promise.all(findings)).find((one) => one !== undefined) ?? error
    this.#isProbing = false
    if (this.#redis.status === 'ready') return
    this.#remember(found)
    if (isLasting(found)) this.#refusal = found
    this.#wake()
  }

  #isPassing(error: unknown): boolean {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return false
    return this.#closed || this.#redis.status !== 'ready' || !(error instanceof ReplyError) || isPassingRefusal(error)
  }

  /** The error for a command that Redis refuses for good. A missing script is not one: it is loaded. */
  #final(error: unknown): unknown {
    if (!(error instanceof ReplyError) || isUnknownScript(error)) return error
    if (!this.store.hasServed) return refused(error)
    const message = `Redis refused a command: check its settings, and whether something else writes to its keys (Redis said: ${error.message})`
    return new FlotillaError('FLT_INTERNAL', message, { cause: error })
  }

  /** Whether the URL names a member of a cluster as if it were a single Redis. */
  #isMisled(error: unknown): boolean {
    return this.#router === undefined && isRedirection(error)
  }

  /** Waits until the connection is back. If it is open and only Redis is not ready, waits a moment. */
  async #nextChance(left: number): Promise<void> {
    if (this.#isUsable) await sleep(Math.min(RETRY_PAUSE, left))
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

  /**
   * Reconnects, because a server that is no longer the master will not be it again soon: the new connection may lead to
   * the new master.
   */
  #leaveReplica(): void {
    const now = performance.now()
    if (this.#router !== undefined || this.#redis.status !== 'ready' || now - this.#leftAt < LEAVE_PAUSE) return
    this.#leftAt = now
    this.#redis.disconnect(true)
  }

  /** Keeps an error that says why, rather than a later one that only says that something failed. */
  #remember(error: Error): void {
    if (this.#adviceOn(error) === undefined && this.#advice !== undefined) return
    this.#lastError = error
    this.#failedAt = performance.now()
  }

  /** What Redis said about its last failure. If that is long ago, it need not be true any more. */
  get #advice(): string | undefined {
    const isFresh = performance.now() - this.#failedAt < 2 * this.#settings.storeWait
    return isFresh ? this.#adviceOn(this.#lastError) : undefined
  }

  /** If Redis has served us, the URL was right about TLS, so that silence says no more than that Redis is away. */
  #adviceOn(error: Error | undefined): string | undefined {
    return this.store.hasServed && error instanceof SilentError ? undefined : adviceOn(error)
  }

  #away(): FlotillaError {
    if (this.#closed) return closed()
    const message = this.#advice ?? 'Redis does not answer: try again, and look whether it hangs or has too much to do'
    return new FlotillaError('FLT_STORE_AWAY', message, { cause: this.#lastError })
  }
}

/**
 * Resolves or rejects once all commands have ended: one that is still on its way to a master must not arrive after its
 * repetition.
 */
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
    ? 'this Redis is a member of a cluster: write redis+cluster:// in the URL'
    : 'this Redis cannot do what Flotilla needs: use Redis 6.2 or newer, with all its commands'
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
