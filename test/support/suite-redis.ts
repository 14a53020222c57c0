import { after, before } from 'node:test'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis.ts'

/** A Redis for all tests of a file, or of a suite, and a connection past the library. Both are there once a test runs. */
export class SuiteRedis {
  #server: RedisServer | undefined
  #raw: Redis | undefined

  constructor() {
    before(async () => {
      this.#server = await startRedis()
      this.#raw = new Redis(this.#server.url)
      // Waits until the client has connected, so that no test counts the commands that it sends for that.
      await this.#raw.ping()
    })
    after(async () => {
      this.#raw?.disconnect()
      await this.#server?.stop()
    })
  }

  get url(): string {
    return this.#server!.url
  }

  get raw(): Redis {
    return this.#raw!
  }
}
