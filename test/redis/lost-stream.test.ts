import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { newProcessId, nodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { atEnd, TIMES } from './stage.ts'

const server = new SuiteRedis()

// Invariant A7: a lost stream takes nothing before its readers had time to come back.
test('a broadcast stream that was lost takes nothing before its readers had time to come back', async (t) => {
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent }
  const queue = redisDriver({ url: server.url }).queue(settings)
  atEnd(t, () => queue.close())
  const [one, two] = [newProcessId(), newProcessId()]
  await queue.open(nodeId('one', one, 1))
  await queue.open(nodeId('two', two, 1))
  assert.deepEqual(await queue.publishAll(Buffer.from('before')), { type: 'stored', nodeCount: 2 })
  await server.raw.flushall()
  await queue.open(nodeId('one', one, 2))
  let isStored = false
  const published = queue.publishAll(Buffer.from('after')).finally(() => (isStored = true))
  // Redis has answered a later call, so it has refused the broadcast for now.
  await queue.newestBroadcast()
  await server.raw.ping()
  assert.equal(isStored, false)
  await queue.open(nodeId('two', two, 2))
  assert.deepEqual(await published, { type: 'stored', nodeCount: 2 })
})
