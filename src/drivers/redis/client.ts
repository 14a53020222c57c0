import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { withDeadline } from '../../deadline.ts'
import { FlotillaError } from '../../errors.ts'
import type { DriverSettings } from '../driver.ts'
import type { HotScript, ScriptCall } from './script-call.ts'
import { scripts, type ScriptCommands } from './scripts.ts'

export type Commands = Redis & ScriptCommands

/** Replies that mean "not now": the same command may succeed a moment later. */
const TRANSIENT = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY|UNBLOCKED|OOM|MISCONF)\b/
const RETRY_PAUSE = 50
/** Commands that may be unanswered at once: beyond it the store is too far behind to promise anything. */
const MAX_WAITING = 10_000
const MAX_RECONNECT_DELAY = 1_000

/**
 * A connection to Redis on which every command is safe to send twice, and is therefore sent again until it is answered
 * or `storeWait` has passed. ioredis itself must not resend: what it sends again after a lost reply overtakes or doubles
 * what we send.
 */
export class RedisClient {
  readonly #redis: Commands
  readonly #settings: DriverSettings
  #closed = false
  #lastError: Error | undefined
  #return: Promise<void> | undefined
  #wake: (() => void) | undefined
  #waiting = 0

  constructor(url: string, settings: DriverSettings, role: string) {
    this.#settings = settings
    this.#redis = connect(url, `${settings.prefix}:${role}`, settings.storeWait) as Commands
    // Without a listener ioredis prints to the console; what matters reaches the caller as the cause of FLT_STORE_AWAY.
    this.#redis.on('error', (error: Error) => {
      this.#lastError = error
    })
  }

  /** @throws FlotillaError `FLT_STORE_AWAY` after `storeWait`, `FLT_CLOSED` after `close`. */
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

  /** Hands the script to Redis where Redis does not have it, and calls once more. */
  async #known<T>(script: HotScript, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    }
    await this.run((redis) => redis.script('LOAD', script.lua))
    return call()
  }

  close(): void {
    this.#closed = true
    this.#redis.disconnect()
    // A client that was just about to reconnect says nothing more.
    this.#wake?.()
  }

  async #attempt<T>(command: (redis: Commands) => Promise<T>, deadline: number): Promise<T> {
    for (;;) {
      if (this.#closed) throw closed()
      try {
        if (this.#redis.status === 'wait') await this.#redis.connect()
        if (this.#redis.status === 'ready') return await command(this.#redis)
      } catch (error) {
        if (!this.#isPassing(error)) throw error
        this.#lastError = error as Error
      }
      const left = deadline - performance.now()
      if (left <= 0) throw this.#away()
      await this.#nextChance(left)
    }
  }

  #isPassing(error: unknown): boolean {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return false
    return (
      this.#closed || this.#redis.status !== 'ready' || error.name !== 'ReplyError' || TRANSIENT.test(error.message)
    )
  }

  /** Waits for the connection, or a moment where it stands and Redis itself is not ready. */
  async #nextChance(left: number): Promise<void> {
    if (this.#redis.status === 'ready') await sleep(Math.min(RETRY_PAUSE, left))
    else await Promise.race([this.#comesBack(), sleep(left, undefined, { ref: false })])
  }

  /** One listener for everyone who waits. */
  #comesBack(): Promise<void> {
    this.#return ??= new Promise((resolve) => {
      const done = (): void => {
        this.#redis.off('ready', done)
        this.#redis.off('end', done)
        this.#return = undefined
        resolve()
      }
      this.#wake = done
      this.#redis.on('ready', done)
      this.#redis.on('end', done)
    })
    return this.#return
  }

  #away(): FlotillaError {
    if (this.#closed) return closed()
    return new FlotillaError('FLT_STORE_AWAY', 'the store does not answer: try again, and check that Redis runs', {
      cause: this.#lastError,
    })
  }
}

/** A connection of its own for one blocking read: on a shared one it would delay every other command. */
export function connectReader(url: string, settings: DriverSettings, role: string): Redis {
  const reader = connect(url, `${settings.prefix}:${role}`, settings.heartbeat + settings.storeWait)
  reader.on('error', (error: Error) => settings.logger.debug({ error, role }, 'the connection to Redis failed'))
  return reader
}

function connect(url: string, connectionName: string, socketTimeout: number): Redis {
  const options: RedisOptions = {
    connectionName,
    lazyConnect: true,
    // RESP2 keeps the shapes of replies that Redis 6.2 gives.
    protocol: 2,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    // Without it, commands whose connection was lost would stay unanswered for ever.
    maxRetriesPerRequest: 0,
    socketTimeout,
    retryStrategy: (times) => Math.min(2 ** Math.min(times, 10) * 10, MAX_RECONNECT_DELAY) * (0.75 + Math.random() / 4),
    scripts,
  }
  return new Redis(url, options)
}

function closed(): FlotillaError {
  return new FlotillaError('FLT_CLOSED', 'this server or emitter was closed: make a new one')
}
