import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { redis } from '../../src/drivers/redis/redis.ts'
import { broadcastAllOf, Inbox, opened } from '../contracts/inboxes/words.ts'
import { calm, stage } from '../contracts/stage.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { atEnd } from './stage.ts'

test('entries held for a dead node go without another broadcast, even if the node that took it over is gone, too', async (t) => {
  const server = await startRedis()
  atEnd(t, () => server.stop())
  const raw = new Redis(server.url)
  atEnd(t, () => raw.disconnect())
  const { queue, settings } = stage(t, { driver: redis({ url: server.url }) }, calm)
  const [all, held] = [`${settings.prefix}:{all}:in`, `${settings.prefix}:{all}:h`]
  const [taker, other] = [queue(), queue()]
  const [dead, living] = [await opened(taker), await opened(other)]
  await broadcastAllOf(other, ['unread'])
  await taker.replayAll(dead)
  await taker.destroy(dead)
  await taker.close()
  const place = await raw.hget(held, dead)
  assert.ok(place !== null, 'its process may wake up')
  // As if the minute were nearly over.
  await raw.hset(held, dead, place.replace(/\d+$/, String(Date.now() + 200)))
  const inbox = new Inbox()
  other.consumeAll(living, (entries) => {
    void inbox.handler(entries)
    for (const { position, isReplay } of entries) if (isReplay !== true) other.ackAll(living, position)
  })
  await inbox.received(3)
  await until('nothing is kept any more', async () => (await raw.xlen(all)) === 0 && (await raw.exists(held)) === 0)
})
