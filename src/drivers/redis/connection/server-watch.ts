import type { Redis } from 'ioredis'

/**
 * Knows which server a connection leads to, and which history of writes that server has. If a replica took over or the
 * server started again, its history is another one, and it may lack the last writes that were confirmed (Redis: INFO
 * replication).
 */
export class ServerWatch {
  #runId: string | undefined

  constructor(redis: Redis, onHistory: (id: string) => void = () => {}) {
    redis.on('close', () => {
      this.#runId = undefined
    })
    // INFO is the first command of a connection, so whatever else is sent on it is answered later.
    redis.on('ready', () => void this.#ask(redis, onHistory))
    if (redis.status === 'ready') void this.#ask(redis, onHistory)
  }

  /** Undefined until it is known. No two servers, and no two starts of one, have the same. */
  get runId(): string | undefined {
    return this.#runId
  }

  async #ask(redis: Redis, onHistory: (id: string) => void): Promise<void> {
    try {
      const info = await redis.info()
      this.#runId = /^run_id:(\w+)/m.exec(info)?.[1] ?? 'unknown'
      const id = /^master_replid:(\w+)/m.exec(info)?.[1]
      if (id !== undefined) onHistory(id)
    } catch (error) {
      // This user may not ask. Then all servers are the same to us.
      if (redis.status === 'ready' && error instanceof Error && error.name === 'ReplyError') this.#runId = 'unknown'
    }
  }
}
