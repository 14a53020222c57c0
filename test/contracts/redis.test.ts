import { after, before, describe } from 'node:test'
import { Redis } from 'ioredis'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { queueContract } from './queue.ts'
import type { Candidate } from './stage.ts'
import { stateContract } from './state.ts'

describe('on a real Redis', () => {
  let server: RedisServer
  let inspector: Redis
  let candidate: Candidate<State, Queue & PushIds>
  before(async () => {
    server = await startRedis()
    inspector = new Redis(server.url)
    candidate = {
      driver: redis({ url: server.url }),
      countAside: (prefix, node) => inspector.xlen(new Keys(prefix).poison(node)),
    }
  })
  after(async () => {
    inspector.disconnect()
    await server.stop()
  })

  stateContract('redis', () => candidate)
  queueContract('redis', () => candidate)
})
