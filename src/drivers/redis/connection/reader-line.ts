import type { Redis } from 'ioredis'
import type { DriverSettings } from '../../driver.ts'
import { endpointOf } from './address.ts'
import type { RedisClient } from './client.ts'
import { connect, connectMember } from './connect.ts'
import { ServerWatch } from './server-watch.ts'

/**
 * The connection of one reader: on a shared connection, a blocking read would delay every other command. In a cluster
 * it goes to the master of its stream's slot, and follows the slot to another master.
 */
export class ReaderLine {
  readonly #client: RedisClient
  readonly #settings: DriverSettings
  readonly #role: string
  readonly #key: string
  #redis: Redis | undefined
  #watch: ServerWatch | undefined
  #address: string | undefined
  /**
   * The slot is moving to this master, which serves it only to a connection that has sent ASKING (Redis Cluster:
   * ASKING).
   */
  #asked: string | undefined
  #wake: (() => void) | undefined
  #closed = false

  constructor(client: RedisClient, settings: DriverSettings, role: string, key: string) {
    this.#client = client
    this.#settings = settings
    this.#role = role
    this.#key = key
    client.router?.on('moved', this.#follow)
  }

  /** The server that the connection leads to; undefined until it is known. */
  get runId(): string | undefined {
    return this.#watch?.runId
  }

  /** Resolves to the connection once it is ready; to undefined if it was closed. */
  async open(): Promise<Redis | undefined> {
    this.#aim()
    if (this.#redis === undefined) {
      // The client does not know yet who has the slot. This call makes it ask.
      await this.#client.run(async () => {})
      this.#aim()
    }
    const redis = this.#redis
    if (redis === undefined || this.#closed) return undefined
    if (redis.status !== 'ready') await this.#becomesReady(redis)
    return redis.status === 'ready' ? redis : undefined
  }

  /** Has to be called before each read. */
  prepare(redis: Redis): void {
    if (this.#asked !== undefined) redis.asking().catch(() => {})
  }

  /** Has to be called if a read has failed: the stream may have moved. */
  failed(error: unknown): void {
    const redirection = this.#client.router?.redirected(error)
    this.#asked = redirection?.isAsking === true ? redirection.address : undefined
  }

  close(): void {
    this.#closed = true
    this.#client.router?.off('moved', this.#follow)
    this.#redis?.disconnect()
    // A client that was about to reconnect emits nothing more.
    this.#wake?.()
  }

  /** Connects to where the stream is now, if it is not there already. */
  #aim(): void {
    const { store } = this.#client
    if (store.address.type === 'cluster') {
      const master = this.#client.router?.addressFor(this.#key)
      if (this.#asked === master) this.#asked = undefined
      const target = this.#asked ?? master
      if (target === undefined || target === this.#address) return
      this.#redis?.disconnect()
      this.#address = target
      this.#use(connectMember(store, endpointOf(target), this.#settings, this.#role, this.#patience))
    } else if (this.#redis === undefined) {
      this.#use(connect(store, this.#settings, this.#role, this.#patience))
    }
  }

  #use(redis: Redis): void {
    const { logger } = this.#settings
    const role = this.#role
    redis.on('error', (error: Error) => logger.debug({ error, role }, 'the connection to Redis failed'))
    this.#redis = redis
    this.#watch = new ServerWatch(redis)
  }

  get #patience(): number {
    return this.#settings.heartbeat + this.#settings.storeWait
  }

  /**
   * Closes the connection if the slot has moved: a blocking read at its former master would wait until its time is
   * over.
   */
  readonly #follow = (): void => {
    if (this.#asked === undefined && this.#client.router?.addressFor(this.#key) !== this.#address) {
      this.#redis?.disconnect()
      // Even if the slot comes back to this master, a new connection is needed.
      this.#address = undefined
      this.#wake?.()
    }
  }

  #becomesReady(redis: Redis): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        redis.off('ready', done)
        redis.off('end', done)
        this.#wake = undefined
        resolve()
      }
      this.#wake = done
      redis.once('ready', done)
      redis.once('end', done)
      if (redis.status === 'wait') redis.connect().catch(() => {})
      if (redis.status === 'ready' || redis.status === 'end') done()
    })
  }
}
