import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { until } from '../support/until.ts'
import { push, startFleet } from './fleet.ts'

const keys = new Keys('flotilla')

test('streams that three nodes read', async (t) => {
  const fleet = await startFleet(t)

  // Invariant B10: one entry that is not ours is set aside, and the rest goes on.
  await t.test('a poisoned entry in an inbox is set aside, counted and logged, and the rest goes on', async (t) => {
    const { a, b } = fleet
    const client = await fleet.connect(b, { uid: 'poisoned' })
    const redis = new Redis(fleet.redis.url)
    t.after(() => redis.disconnect())
    await redis.xadd(keys.inbox(b.id as NodeId), '*', 'd', 'this is no envelope')
    await redis.xadd(keys.inbox(b.id as NodeId), '*', 'foreign', '\xff\x00')
    await push(a, { uid: 'poisoned', message: 'still here' })
    assert.equal(await client.next(), 'still here')
    await until('both are set aside', async () => (await redis.xlen(keys.poison(b.id as NodeId))) === 2)
    await b.said(/set aside/)
    const { body } = await b.api('GET', '/api/stats')
    assert.match(JSON.stringify(body), /"poisonedCount":2/)
  })

  // Invariant I6: the ingress stream has one reader, and an entry's id is its push's id.
  await t.test(
    'programs in any language push through the ingress stream, and entries that are not pushes are set aside',
    async (t) => {
      const client = await fleet.connect(fleet.b, { uid: 'outsider' })
      const redis = new Redis(fleet.redis.url)
      t.after(() => redis.disconnect())
      for (let n = 0; n < 20; n++) {
        await redis.xadd('flotilla:ingress', '*', 'body', JSON.stringify({ uid: 'outsider', message: `n${n}` }))
      }
      await redis.xadd('flotilla:ingress', '*', 'body', '{"uid":"later","message":"held","hold":60000}')
      await redis.xadd('flotilla:ingress', '*', 'body', 'not json')
      await redis.xadd('flotilla:ingress', '*', 'body', '{"uid":null,"message":"x"}')
      await client.waitFor(20)
      assert.deepEqual(
        client.texts,
        Array.from({ length: 20 }, (_, n) => `n${n}`),
      )
      await until('the bad ones are aside', async () => (await redis.xlen('flotilla:ingress:bad')) === 2)
      await until('the stream is empty', async () => (await redis.xlen('flotilla:ingress')) === 0)
      assert.equal(await (await fleet.connect(fleet.a, { uid: 'later' })).next(), 'held')
    },
  )

  // Invariant I3: callers', ingress entries' and publishers' own ids never meet.
  await t.test(
    'a caller cannot silence an ingress entry by giving its id, but shares the id that an entry gives',
    async (t) => {
      const client = await fleet.connect(fleet.b, { uid: 'caller' })
      const redis = new Redis(fleet.redis.url)
      t.after(() => redis.disconnect())
      await using emitter = new Emitter({ driver: redisDriver({ url: fleet.redis.url }) })
      const position = '99999999999999-7'
      const badCount = await redis.xlen('flotilla:ingress:bad')
      for (const id of [`ingress:${position}`, `i:${position}`, `c:${position}`, position]) {
        assert.equal(
          (await push(fleet.a, { uid: 'caller', message: id, id })).id,
          id,
          'the receipt bears the id as it was given',
        )
        assert.equal((await emitter.push({ uid: 'caller' }, id, { id })).id, id)
        assert.equal(await client.next(), id)
      }
      await redis.xadd('flotilla:ingress', position, 'body', '{"uid":"caller","message":"the entry"}')
      assert.equal(await client.next(), 'the entry')
      const order = { uid: 'caller', message: 'order', id: 'order-42' }
      await push(fleet.a, order)
      await redis.xadd('flotilla:ingress', '*', 'body', JSON.stringify(order))
      await redis.xadd('flotilla:ingress', '*', 'body', '{"uid":"caller","message":"the last"}')
      assert.deepEqual([await client.next(), await client.next()], ['order', 'the last'])
      await until('nothing is left', async () => (await redis.xlen('flotilla:ingress')) === 0)
      assert.equal(await redis.xlen('flotilla:ingress:bad'), badCount)
    },
  )

  await t.test('an emitter pushes and asks without a server', async () => {
    const client = await fleet.connect(fleet.b, { uid: 'listener', groups: ['g'] })
    await using emitter = new Emitter({ driver: redisDriver({ url: fleet.redis.url }) })
    const [info] = await emitter.connections('listener')
    assert.equal(info!.node, fleet.b.id)
    await emitter.push({ uid: ['listener', 'v'] }, 'to uid').then(({ offline }) => assert.deepEqual(offline, ['v']))
    assert.equal(await client.next(), 'to uid')
    await emitter.push({ connection: info!.connection }, 'to connection')
    assert.equal(await client.next(), 'to connection')
    await emitter.transportToGroup('to group', 'g')
    assert.equal(await client.next(), 'to group')
    assert.equal((await emitter.transport('to all')).nodeCount, 3)
    assert.equal(await client.next(), 'to all')
    assert.equal((await emitter.nodes()).length, 3)
    assert.equal(await emitter.isOnline('v'), false)
  })

  await t.test('two prefixes on one Redis never see each other', async () => {
    const stranger = await fleet.startNode('--prefix', 'other')
    const here = await fleet.connect(fleet.b, { uid: 'prefixed' })
    const there = await fleet.connect(stranger, { uid: 'prefixed' })
    assert.equal((await push(fleet.a, { uid: 'prefixed', message: 'ours' })).nodeCount, 1)
    assert.equal((await push(stranger, { all: true, message: 'theirs' })).nodeCount, 1)
    assert.deepEqual([await here.next(), await there.next()], ['ours', 'theirs'])
    assert.deepEqual([here.received.length, there.received.length], [1, 1])
  })
})

test("with three consumers a user's messages keep their order", async (t) => {
  const fleet = await startFleet(t, '--consumers', '3')
  const uids = ['x', 'y', 'z', 'w']
  const clients = await Promise.all(uids.map((uid) => fleet.connect(fleet.b, { uid })))
  const pushes = Array.from({ length: 400 }, (_, n) => ({ uid: n % 5 === 0 ? uids : uids[n % 4]!, message: String(n) }))
  await fleet.a.api('POST', '/api/push/batch', { pushes })
  for (const [index, client] of clients.entries()) {
    const due = pushes.filter(({ uid }) => uid === uids[index] || Array.isArray(uid)).map(({ message }) => message)
    await client.waitFor(due.length)
    assert.deepEqual(client.texts, due)
  }
})
