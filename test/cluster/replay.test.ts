import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import type { TestNode } from '../support/start-node.ts'
import { elapse, until } from '../support/until.ts'
import { DEAD_AFTER, push, startFleet, untilGone } from './fleet.ts'

const keys = new Keys('flotilla')

test('broadcasts that a dead node had not delivered reach its users once on the nodes where they are by then', async (t) => {
  // Long enough to push all of them, and for the user to be back, before a node takes over.
  const { a, b, c, connect, redis: store } = await startFleet(t, '--dead-after', '20000')
  const redis = new Redis(store.url)
  t.after(() => redis.disconnect())
  const [lost, staying] = [await connect(a, { uid: 'u' }), await connect(b, { uid: 'v' })]
  await push(b, { all: true, message: 'before' })
  await Promise.all([lost.waitFor(1), staying.waitFor(1)])
  await until('a has acked it', () => hasReadAll(redis, a))
  a.pause()
  for (let index = 0; index < 40; index++) await push(b, { all: true, message: `m${index}` })
  await a.kill9()
  lost.socket.terminate()
  const back = await connect(c, { uid: 'u' })
  await untilGone(b, a)
  await back.waitFor(40)
  await push(c, { all: true, message: 'after' })
  await Promise.all([back.waitFor(41), staying.waitFor(42)])
  const missed = Array.from({ length: 40 }, (_, index) => `m${index}`)
  assert.deepEqual(back.texts, [...missed, 'after'])
  assert.deepEqual(staying.texts, ['before', ...missed, 'after'])
})

test('a node that wakes after its takeover gives its clients the broadcasts that it slept through, once', async (t) => {
  const { a, b, connect } = await startFleet(t)
  const client = await connect(a, { uid: 'u' })
  await push(b, { all: true, message: 'before' })
  await client.waitFor(1)
  a.pause()
  await push(b, { all: true, message: 'asleep' })
  await untilGone(b, a)
  await push(b, { all: true, message: 'evicted' })
  await elapse(DEAD_AFTER)
  a.resume()
  await client.waitFor(3)
  await push(b, { all: true, message: 'after' })
  await until('the last has come', () => client.texts.includes('after'))
  assert.deepEqual(client.texts, ['before', 'asleep', 'evicted', 'after'])
})

test('a node that wakes does so even if there are more broadcasts than it reads at once', async (t) => {
  const { a, b, connect } = await startFleet(t)
  const client = await connect(a, { uid: 'u' })
  a.pause()
  const all = Array.from({ length: 300 }, (_, index) => `m${index}`)
  for (const message of all.slice(0, 150)) await push(b, { all: true, message })
  await untilGone(b, a)
  for (const message of all.slice(150)) await push(b, { all: true, message })
  a.resume()
  await client.waitFor(all.length)
  assert.deepEqual(client.texts, all)
})

/** Whether a node has acked the last broadcast. */
async function hasReadAll(redis: Redis, { id }: TestNode): Promise<boolean> {
  const [cursor, last] = [await redis.hget(keys.allCursors(), id), await redis.hget(keys.allMeta(), 'last')]
  return cursor?.startsWith(`${last} `) === true
}
