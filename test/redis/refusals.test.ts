import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { startReplicaPair } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { elapse } from '../support/until.ts'
import { atEnd, client, startEmitter, startServer } from './stage.ts'

async function startStore(t: TestContext): Promise<{ redis: RedisServer; raw: Redis }> {
  const redis = await startRedis(['--save', '', '--enable-debug-command', 'yes'])
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  return { redis, raw }
}

test('a Redis that is out of memory is waited for, then named', async (t) => {
  const { redis, raw } = await startStore(t)
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url }, 700)
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  await raw.config('SET', 'maxmemory', '1')
  for (const target of [{ all: true }, { uid: 'u' }] as const) {
    await assert.rejects(emitter.push(target, 'x'), {
      code: 'FLT_STORE_AWAY',
      message: /out of memory: raise maxmemory/,
    })
  }
  const late = emitter.push({ uid: 'u' }, 'late')
  await elapse(200)
  await raw.config('SET', 'maxmemory', '0')
  await late
  assert.equal(await u.next(), 'late')
})

test('a replica that takes no writes is left, and named where there is nothing better', async (t) => {
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const emitter = startEmitter(t, { url: pair.replica.url }, 600)
  const server = await startServer(t, { url: pair.master.url })
  await client(t, server, 'uid=u')
  await assert.rejects(emitter.push({ all: true }, 'x'), {
    code: 'FLT_STORE_AWAY',
    message: /is a replica and takes no writes/,
  })
})

test('connections that Redis kills, and a Redis that hangs for a moment, cost nothing but time', async (t) => {
  const { redis, raw } = await startStore(t)
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url })
  const texts = Array.from({ length: 60 }, (_, index) => String(index))
  const pushed = texts.map(async (text, index) => {
    await elapse(index * 10)
    return emitter.push({ uid: 'u' }, text)
  })
  await elapse(100)
  await raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await elapse(100)
  await raw.call('DEBUG', 'SLEEP', '0.5')
  await elapse(50)
  await raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  for (const receipt of await Promise.all(pushed)) assert.deepEqual(receipt.offline, [])
  const got: unknown[] = []
  for (const _ of texts) got.push(await u.next())
  assert.deepEqual(got, texts)
})

test('a Redis that is still loading is waited for, then named', async (t) => {
  const slowly = ['--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024']
  const redis = await startRedis(['--save', '', ...slowly])
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url }, 1_500)
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  await raw.eval("for n = 1, 1500 do redis.call('SET', 'k' .. n, string.rep('x', 100)) end", 0)
  await raw.save()
  const restarted = redis.restart()
  await elapse(300)
  await assert.rejects(emitter.push({ all: true }, 'x'), {
    code: 'FLT_STORE_AWAY',
    message: /is still loading its data/,
  })
  await restarted
  assert.deepEqual((await server.cluster.push({ uid: 'u' }, 'after')).offline, [])
  assert.equal(await u.next(), 'after')
})

test('a Redis that does not let us in says what it wants', async (t) => {
  const redis = await startRedis(['--save', '', '--requirepass', 'secret'])
  atEnd(t, () => redis.stop())
  for (const [url, says] of [
    [redis.url, /asks for a password: put it into the URL/],
    [redis.url.replace('//', '//:wrong@'), /does not know this user or password: correct the URL/],
  ] as const) {
    await assert.rejects(startEmitter(t, { url }, 500).push({ all: true }, 'x'), {
      code: 'FLT_STORE_AWAY',
      message: says,
    })
  }
  const receipt = await startEmitter(t, { url: redis.url.replace('//', '//:secret@') }).push({ all: true }, 'x')
  assert.equal(receipt.nodeCount, 0)
})
