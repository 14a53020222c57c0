import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'

const KEEP_ALL = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--enable-debug-command', 'local']

/** One Redis that writes everything to its disk before it answers, so that what it answered is there after a kill. */
export class Store {
  readonly #server: RedisServer

  private constructor(server: RedisServer) {
    this.#server = server
  }

  static async start(): Promise<Store> {
    return new Store(await startRedis(KEEP_ALL))
  }

  get port(): number {
    return this.#server.port
  }

  kill9(): Promise<void> {
    return this.#server.kill9()
  }

  restart(options?: { empty?: boolean }): Promise<void> {
    return this.#server.restart(options)
  }

  pause(): void {
    this.#server.pause()
  }

  resume(): void {
    this.#server.resume()
  }

  async command(name: string, ...args: string[]): Promise<unknown> {
    const redis = new Redis({ port: this.port, host: '127.0.0.1', retryStrategy: null })
    try {
      return await redis.call(name, ...args)
    } finally {
      redis.disconnect()
    }
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }
}
