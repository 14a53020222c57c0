import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import type { Entry } from '../../src/drivers/entry.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { newProcessId, nodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { atEnd, TIMES } from './stage.ts'

// Invariant B6: an ack goes only to the server that the entry was read from.
test('an ack does not reach a server that has given the same position to something else', async (t) => {
  const redis = await startRedis()
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  raw.on('error', () => {})
  atEnd(t, () => raw.disconnect())
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent }
  const queue = redisDriver({ url: redis.url }).queue(settings)
  atEnd(t, () => queue.close())
  const node = nodeId('n', newProcessId(), 1)
  const entries: Entry[] = []
  await queue.open(node)
  queue.consume(node, (more) => void entries.push(...more))
  await queue.publish(node, Buffer.from('first'))
  await until('it is read', () => entries.length === 1)
  const [first] = entries
  await redis.restart({ empty: true })
  await queue.open(node)
  const inbox = new Keys('flotilla').inbox(node)
  await raw.xadd(inbox, first!.position.split(' ')[0]!, 'd', 'another', 'p', '7')
  queue.ack(node, first!.position)
  await queue.flushAcks()
  assert.equal(await raw.xlen(inbox), 1)
  await until('it is read as well', () => entries.length === 2)
  queue.ack(node, entries[1]!.position)
  await queue.flushAcks()
  assert.equal(await raw.xlen(inbox), 0, 'where it was read it is acked')
})
