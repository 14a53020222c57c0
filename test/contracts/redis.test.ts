import { after, before, describe } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { queueContract } from './queue.ts'
import { stateContract } from './state.ts'
import type { Candidate } from './stage.ts'

describe('on a real Redis', () => {
  let server: RedisServer
  let candidate: Candidate
  before(async () => {
    server = await startRedis()
    candidate = { driver: redis({ url: server.url }) }
  })
  after(() => server.stop())

  stateContract('redis', () => candidate)
  queueContract('redis', () => candidate)
})
