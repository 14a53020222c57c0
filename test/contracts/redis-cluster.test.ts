import { after, before, describe } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { queueContract } from './queue.ts'
import type { Candidate } from './stage.ts'
import { stateContract } from './state.ts'

describe('on a real Redis Cluster of three masters', () => {
  let cluster: RedisCluster
  let candidate: Candidate
  before(async () => {
    cluster = await startCluster([], { replicas: false })
    candidate = { driver: redis({ url: cluster.url }) }
  })
  after(() => cluster.stop())

  stateContract('redis-cluster', () => candidate)
  queueContract('redis-cluster', () => candidate)
})
