import { after, before, describe } from 'node:test'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { queueContract } from './queue.ts'
import type { Candidate } from './stage.ts'
import { stateContract } from './state.ts'

describe('on a real Redis Cluster of three masters', () => {
  let cluster: RedisCluster
  let candidate: Candidate<State, Queue & PushIds>
  before(async () => {
    cluster = await startCluster([], { replicas: false })
    candidate = { driver: redis({ url: cluster.url }) }
  })
  after(() => cluster.stop())

  stateContract('redis-cluster', () => candidate)
  queueContract('redis-cluster', () => candidate)
})
