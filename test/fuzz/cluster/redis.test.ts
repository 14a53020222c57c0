import { after, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { redis } from '../../../src/drivers/redis/redis.ts'
import { type RedisServer, startRedis } from '../../support/redis.ts'
import { live } from './run.ts'

const LANES = 2

describe('a cluster on Redis, whatever happens to its nodes and to the store', { concurrency: LANES }, () => {
  const servers: RedisServer[] = []

  before(async () => {
    for (let lane = 0; lane < LANES; lane++) servers.push(await startRedis())
  })
  after(() => Promise.all(servers.map((server) => server.stop())))

  for (let lane = 0; lane < LANES; lane++) {
    it(`every user gets the messages that are due, and no others (${lane + 1})`, async () => {
      const { url } = servers[lane]!
      const raw = new Redis(url)
      try {
        await live({ driver: redis({ url }), lose: () => raw.flushall() }, 20)
      } finally {
        raw.disconnect()
      }
    })
  }
})
