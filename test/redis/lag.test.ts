import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { startRedis } from '../support/redis.ts'
import { atEnd, TIMES } from './stage.ts'

test('how old an inbox is costs no round trip, and the oldest entry is looked at once in `maxLag` at most', async (t) => {
  const server = await startRedis()
  atEnd(t, () => server.stop())
  const raw = new Redis(server.url)
  atEnd(t, () => raw.disconnect())
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e9, logger: silent }
  const queue = redis({ url: server.url }).queue({ ...settings, maxLag: 3_600_000 })
  atEnd(t, () => queue.close())
  const node = 'n-abcdefghij' as NodeId
  await queue.open(node)
  await queue.publish(node, Buffer.from('the script is known from now on'))
  await queue.publishAll(Buffer.from('and the other'))
  await raw.config('RESETSTAT')
  for (let count = 0; count < 100; count++) {
    assert.equal(await queue.publish(node, Buffer.alloc(1_000)), 'stored')
    assert.equal((await queue.publishAll(Buffer.alloc(1_000))).type, 'stored')
  }
  const stats = await raw.info('commandstats')
  const callsOf = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  assert.equal(callsOf('evalsha'), 200)
  assert.ok(callsOf('xrange') <= 2, `${callsOf('xrange')} looks`)
})
