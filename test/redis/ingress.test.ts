import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { newProcessId, nodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'
import { atEnd, TIMES } from './stage.ts'

const AN_HOUR = 3_600_000
const server = new SuiteRedis()

// Invariant I6: the ingress stream has one reader, and an entry's id is its push's id.
test('the ingress stream has one reader at a time, until it resigns or its lease runs out', async (t) => {
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent }
  const queue = redisDriver({ url: server.url }).queue(settings)
  atEnd(t, () => queue.close())
  const ingress = queue.ingress!
  const [one, two] = [nodeId('one', newProcessId(), 1), nodeId('two', newProcessId(), 1)]
  assert.deepEqual([await ingress.lead(one, AN_HOUR), await ingress.lead(two, AN_HOUR)], [true, false])
  assert.equal(await ingress.lead(one, AN_HOUR), true, 'it stays the reader')
  await ingress.resign(two)
  assert.equal(await ingress.lead(two, AN_HOUR), false, 'nobody resigns for another')
  await ingress.resign(one)
  assert.equal(await ingress.lead(two, 1), true)
  await until('its lease has run out', () => ingress.lead(one, AN_HOUR))
  assert.equal(await ingress.lead(two, AN_HOUR), false)
})
