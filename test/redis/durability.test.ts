import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { startReplicaPair } from '../support/redis-sentinel.ts'
import { atEnd, client, startEmitter, startServer, TIMES } from './stage.ts'

// Invariant K6: an append counts once a replica has it.
test('a replicated push is stored once the replica has it, and fails if none has it in time', async (t) => {
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const store = { url: pair.master.url, durability: 'replicated' } as const
  const server = await startServer(t, store)
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, store, 3_000)
  const raw = new Redis(pair.master.url)
  atEnd(t, () => raw.disconnect())
  await raw.config('RESETSTAT')
  // All these pushes are one batch, or two.
  await Promise.all(Array.from({ length: 100 }, (_, index) => emitter.push({ uid: 'u' }, String(index))))
  const waits = Number(/cmdstat_wait:calls=(\d+)/.exec(await raw.info('commandstats'))?.[1])
  assert.ok(waits >= 1 && waits <= 3, `${waits} WAITs for 100 pushes`)
  assert.equal((await emitter.push({ all: true }, 'all')).nodeCount, 1)

  pair.replica.pause()
  await assert.rejects(emitter.push({ all: true }, 'unsure'), {
    code: 'FLT_STORE_AWAY',
    message: /no replica had the push within 2400 ms/,
  })
  await assert.rejects(emitter.push({ uid: 'u' }, 'unsure', { id: 'named' }), { code: 'FLT_STORE_AWAY' })
  // A batch that no inbox took needs no replica, and the store is not to blame.
  const settings = { prefix: 'flotilla', ...TIMES, storeWait: 3_000 }
  const queue = redis(store).queue({ ...settings, maxInboxBytes: 1e6, logger: silent })
  atEnd(t, () => queue.close())
  assert.equal(await queue.publish('gone-abcdefghij' as NodeId, Buffer.from('x')), 'closed')
  // A publisher that does not ask for a replica does not wait for one.
  const careless = startEmitter(t, { url: pair.master.url })
  await careless.push({ uid: 'u' }, 'quick')
  pair.replica.resume()
  await emitter.push({ uid: 'u' }, 'sure', { id: 'named-2' })
  for (let text; text !== 'sure';) text = await u.next()
})

test('what a replicated push has stored is still there when the replica takes over', async (t) => {
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const store = { url: pair.master.url, durability: 'replicated' } as const
  // It closes while its master is away, which should not take long.
  const server = await startServer(t, store, { storeWait: 1_000 })
  await client(t, server, 'uid=u')
  const node = server.cluster.self
  const emitter = startEmitter(t, store)
  await emitter.push({ uid: 'u' }, 'kept')
  const raw = new Redis(pair.replica.url)
  atEnd(t, () => raw.disconnect())
  await pair.master.kill9()
  await pair.promote()
  const [, total] = (await raw.hmget(new Keys('flotilla').inboxMeta(node as NodeId), 'out', 'in')) as string[]
  assert.ok(Number(total) > 0, 'the inbox has taken it')
})
