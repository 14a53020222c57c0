import type { Redis } from 'ioredis'
import { readInfo, type ServerInfo } from './server-info.ts'

/**
 * Knows which server a connection leads to, and which history of writes that server has. If a replica took over or the
 * server started again, its history is another one, and it may lack the last writes that were confirmed (Redis: INFO
 * replication).
 */
export class ServerWatch {
  #runId: string | undefined

  /** @param onInfo gets what each server says of itself, and nothing if this user may not ask */
  constructor(redis: Redis, onInfo: (info: ServerInfo) => void = () => {}) {
    redis.on('close', () => {
      this.#runId = undefined
    })
    // INFO is the first command of a connection, so whatever else is sent on it is answered later.
    redis.on('ready', () => void this.#ask(redis, onInfo))
    if (redis.status === 'ready') void this.#ask(redis, onInfo)
  }

  /** Undefined until it is known. No two servers, and no two starts of one, have the same. */
  get runId(): string | undefined {
    return this.#runId
  }

  async #ask(redis: Redis, onInfo: (info: ServerInfo) => void): Promise<void> {
    try {
      const info = readInfo(await redis.info())
      this.#runId = info.runId ?? 'unknown'
      onInfo(info)
    } catch (error) {
      if (redis.status !== 'ready' || !(error instanceof Error) || error.name !== 'ReplyError') return
      // This user may not ask. Then all servers are the same to us.
      this.#runId = 'unknown'
      onInfo({})
    }
  }
}
