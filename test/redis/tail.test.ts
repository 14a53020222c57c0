import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { newProcessId, type NodeId, nodeId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { memberHere, routesOf, userHere } from '../contracts/routes/words.ts'
import { asUid, dormant, joined, newConnection, stage } from '../contracts/stage.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { atEnd, client, startEmitter, startServer, TIMES } from './stage.ts'

const keys = new Keys('flotilla')
const AN_HOUR = 3_600_000

// Invariant B9: after a reconnect an inbox is read from its start.
test('a replica takes over without the last entries, and its ids are smaller: new entries are read, and bindings return', async (t) => {
  const trio = await startSentinels()
  atEnd(t, () => trio.stop())
  const store = { url: trio.url }
  const [a, b] = [await startServer(t, store), await startServer(t, store)]
  const emitter = startEmitter(t, store)
  const u = await client(t, b, 'uid=u&group=g')
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  await emitter.push({ all: true }, 'before to all')
  assert.equal(await u.next(), 'before to all')

  const { master, replica } = await trio.roles()
  const raw = new Redis(master.url)
  atEnd(t, () => raw.disconnect())
  raw.on('error', () => {})
  replica.pause()
  // Otherwise commands that are sent to it would wait in its socket.
  await raw.call('CLIENT', 'KILL', 'TYPE', 'replica')
  // The master's ids are an hour ahead, as if its clock were. The replica's ids will be smaller than those that were
  // read.
  for (const stream of [keys.inbox(b.cluster.self as NodeId), keys.all()]) {
    await raw.call('XSETID', stream, `${Date.now() + AN_HOUR}-0`)
  }
  await emitter.push({ uid: 'u' }, 'tail')
  await emitter.push({ all: true }, 'tail to all')
  assert.deepEqual([await u.next(), await u.next()].map(String).sort(), ['tail', 'tail to all'])
  const newcomer = await client(t, b, 'uid=newcomer&group=g')
  await master.kill9()
  replica.resume()
  await trio.failedOver(master)

  const receipts = await Promise.all([
    emitter.push({ uid: 'u' }, 'after'),
    emitter.push({ uid: 'newcomer' }, 'after'),
    a.cluster.push({ uid: ['newcomer', 'nobody'] }, 'again'),
  ])
  assert.deepEqual(
    receipts.map(({ offline }) => offline),
    [[], [], ['nobody']],
  )
  assert.equal(await u.next(), 'after')
  assert.deepEqual([await newcomer.next(), await newcomer.next()].map(String).sort(), ['after', 'again'])
  await until('the group is whole again', async () => (await a.cluster.members('g')).memberCount === 2)
  await emitter.push({ all: true }, 'after to all')
  assert.deepEqual([await u.next(), await newcomer.next()], ['after to all', 'after to all'])
  assert.deepEqual(
    u.received.filter((text, index) => u.received.indexOf(text) !== index),
    [],
  )
})

test('a place beyond the end of the broadcasts is corrected, and later broadcasts are read', async (t) => {
  const redis = await startRedis()
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent }
  const queue = redisDriver({ url: redis.url }).queue(settings)
  atEnd(t, () => queue.close())
  const node = nodeId('n', newProcessId(), 1)
  await queue.open(node)
  await queue.publishAll(Buffer.from('one'))
  await raw.hset(keys.allCursors(), node, `${Date.now() + AN_HOUR}-0 3`)
  const texts: string[] = []
  queue.consumeAll(node, (entries) => {
    texts.push(...entries.map(({ bytes }) => Buffer.from(bytes).toString()))
    queue.ackAll(node, entries.at(-1)!.position)
  })
  await until('what stands there is read', () => texts.includes('one'))
  await queue.publishAll(Buffer.from('two'))
  await until('what comes is read', () => texts.includes('two'))
  await until('its place is where it has read to', async () => {
    const [cursor = '', last = ''] = [
      await raw.hget(keys.allCursors(), node),
      await raw.hget(keys.allMeta(), 'last'),
    ].map(String)
    return cursor.startsWith(`${last} `)
  })
})

test('an entry that is read again after a lost connection is delivered once, and the inbox is emptied', async (t) => {
  const redis = await startRedis()
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url })
  const texts = Array.from({ length: 200 }, (_, index) => String(index))
  const receipts = texts.map(async (text, index) => {
    if (index % 50 === 25) await raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    return emitter.push({ uid: 'u' }, text)
  })
  await Promise.all(receipts)
  await until('all have come', () => u.received.length >= texts.length)
  assert.deepEqual(
    u.received.map(Number).sort((one, other) => one - other),
    texts.map(Number),
  )
  const inbox = keys.inbox(server.cluster.self as NodeId)
  await emitter.push({ uid: 'u' }, 'last')
  await until('everything is acked', async () => (await raw.xlen(inbox)) === 0)
})

// Invariant R13: after the store has changed its server, "nobody" means "wait".
test('a Redis that starts again without its last bindings is not believed if it finds nobody', async (t) => {
  const server = await startRedis()
  atEnd(t, () => server.stop())
  const raw = new Redis(server.url)
  raw.on('error', () => {})
  atEnd(t, () => raw.disconnect())
  const state = stage(t, { driver: redisDriver({ url: server.url }) }, dormant).state()
  const node = await joined(state)
  await raw.save()
  const bindings = [userHere('u'), memberHere('g', newConnection('u'))]
  await state.apply(node, bindings)
  await server.restart()
  const lost = await routesOf(state, 'u', 'g')
  for (const { nodes, settled } of [lost.user, lost.group]) assert.deepEqual([nodes, settled], [[], false])
  const batch = { publisher: 'p', seq: 1, bytes: Buffer.from('x') }
  assert.equal(await state.appendWhereFound!({ type: 'user', uid: asUid('u') }, batch, undefined), undefined)
  await state.apply(node, bindings)
  const back = await routesOf(state, 'u', 'g')
  for (const { nodes, settled } of [back.user, back.group]) assert.deepEqual([nodes, settled], [[node], true])
})
