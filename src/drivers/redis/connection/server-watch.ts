import type { Redis } from 'ioredis'

/**
 * Which server a connection leads to, and which history of writes that server tells: another history, where a replica
 * took over or the server started again, may lack the last of what was answered before (Redis: INFO replication).
 */
export class ServerWatch {
  #runId: string | undefined

  constructor(redis: Redis, onHistory: (id: string) => void = () => {}) {
    redis.on('close', () => {
      this.#runId = undefined
    })
    // The first command of a connection: whatever else is answered on it is answered later.
    redis.on('ready', () => void this.#ask(redis, onHistory))
    if (redis.status === 'ready') void this.#ask(redis, onHistory)
  }

  /** Nothing until it is known. It is never the same twice. */
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
      // Not allowed to ask: then every server is the same to us.
      if (redis.status === 'ready' && error instanceof Error && error.name === 'ReplyError') this.#runId = 'unknown'
    }
  }
}
