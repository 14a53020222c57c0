import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { createServer, defineModule, isFlotillaError } from '../../src/index.ts'
import { startReplicaPair, startSentinels } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { elapse, until } from '../support/until.ts'
import { atEnd, client, startEmitter, startServer, TIMES } from './stage.ts'

async function startStore(t: TestContext): Promise<{ redis: RedisServer; raw: Redis }> {
  const redis = await startRedis(['--save', '', '--enable-debug-command', 'yes'])
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  return { redis, raw }
}

test('a Redis that is out of memory is waited for, then named in the error', async (t) => {
  const { redis, raw } = await startStore(t)
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const [emitter, impatient] = [startEmitter(t, { url: redis.url }), startEmitter(t, { url: redis.url }, 2_000)]
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  await raw.config('SET', 'maxmemory', '1')
  for (const target of [{ all: true }, { uid: 'u' }] as const) {
    await assert.rejects(impatient.push(target, 'x'), {
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

test('a replica that takes no writes is left, and named in the error if there is no master', async (t) => {
  const pair = await startReplicaPair()
  atEnd(t, () => pair.stop())
  const emitter = startEmitter(t, { url: pair.replica.url }, 3_000)
  const server = await startServer(t, { url: pair.master.url })
  await client(t, server, 'uid=u')
  await assert.rejects(emitter.push({ all: true }, 'x'), {
    code: 'FLT_STORE_AWAY',
    message: /is a replica and takes no writes/,
  })
})

// Invariant K2: every command is safe twice.
test('connections that Redis kills, and a Redis that hangs for a moment, cost nothing but time', async (t) => {
  const { redis, raw } = await startStore(t)
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url })
  const texts = Array.from({ length: 60 }, (_, index) => String(index))
  // Overdue timers need not fire in order.
  const asked: string[] = []
  const pushed = texts.map(async (text, index) => {
    await elapse(index * 10)
    asked.push(text)
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
  assert.deepEqual(got, asked)
})

test('a Redis that is still loading is waited for, then named in the error', async (t) => {
  const slowly = ['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024']
  const redis = await startRedis(['--save', '', ...slowly])
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  atEnd(t, () => raw.disconnect())
  const server = await startServer(t, { url: redis.url })
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, { url: redis.url }, 3_000)
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  await raw.eval("for n = 1, 1000 do redis.call('SET', 'k' .. n, string.rep('x', 100)) end", 0)
  await raw.save()
  const restarted = redis.restart()
  // This push asks at once, not only when Redis has loaded.
  const asker = new Redis(redis.url, { enableReadyCheck: false })
  atEnd(t, () => asker.disconnect())
  asker.on('error', () => {})
  await until('it is loading', () =>
    asker.ping().then(
      () => false,
      (error: Error) => /LOADING/.test(error.message),
    ),
  )
  await assert.rejects(emitter.push({ all: true }, 'x'), {
    code: 'FLT_STORE_AWAY',
    message: /is still loading its data/,
  })
  await restarted
  assert.deepEqual((await server.cluster.push({ uid: 'u' }, 'after')).offline, [])
  assert.equal(await u.next(), 'after')
})

test('a Redis that refuses us says at once what it wants', async (t) => {
  const redis = await startRedis(['--save', '', '--requirepass', 'secret'])
  atEnd(t, () => redis.stop())
  const open = await startRedis(['--save', ''])
  atEnd(t, () => open.stop())
  for (const [url, says] of [
    [redis.url, /asks for a password: put it in the URL \(Redis said: NOAUTH /],
    [`${redis.url}/1`, /asks for a password/],
    [redis.url.replace('//', '//:wrong@'), /does not know this user or password: correct the URL.*WRONGPASS/],
    [open.url.replace('//', '//:secret@'), /does not accept this user and password.*ERR AUTH/],
  ] as const) {
    // This is so long that the test times out if Flotilla waits.
    const emitter = startEmitter(t, { url }, 60_000)
    await assert.rejects(emitter.push({ all: true }, 'x'), { code: 'FLT_BAD_OPTION', message: says })
  }
  const receipt = await startEmitter(t, { url: redis.url.replace('//', '//:secret@') }).push({ all: true }, 'x')
  assert.equal(receipt.nodeCount, 0)
})

test('a database that Redis does not have is an error at start, and never another one', async (t) => {
  const redis = await startRedis(['--save', '', '--databases', '1'])
  atEnd(t, () => redis.stop())
  const a = await startServer(t, { url: `${redis.url}/0` })
  const u = await client(t, a, 'uid=u')
  const b = startServer(t, { url: `${redis.url}/1` }, { connectTimeout: 60_000 })
  await assert.rejects(b, {
    code: 'FLT_BAD_OPTION',
    message: /does not open this database: correct its number in the URL \(Redis said: ERR DB index is out of range\)/,
  })
  await assert.rejects(startEmitter(t, { url: `${redis.url}/1` }).push({ uid: 'u' }, 'x'), { code: 'FLT_BAD_OPTION' })
  assert.equal((await a.cluster.nodes()).length, 1)
  await a.cluster.push({ uid: 'u' }, 'mine')
  assert.equal(await u.next(), 'mine')
})

test('a database that is taken away while a server runs fails its pushes with what Redis says, until it is back', async (t) => {
  const redis = await startRedis(['--save', ''])
  atEnd(t, () => redis.stop())
  const raw = new Redis(redis.url)
  raw.on('error', () => {})
  atEnd(t, () => raw.disconnect())
  const emitter = startEmitter(t, { url: `${redis.url}/1` }, 1_000)
  await emitter.push({ all: true }, 'x')
  await redis.restart({ args: ['--save', '', '--databases', '1'] })
  await until('it says what Redis says', () =>
    emitter.push({ uid: 'u' }, 'x').then(
      () => false,
      (error: unknown) => {
        assert.ok(isFlotillaError(error) && error.code === 'FLT_STORE_AWAY')
        return /Redis said: ERR DB index is out of range/.test(error.message)
      },
    ),
  )
  assert.equal(await raw.dbsize(), 0, 'nothing was written elsewhere')
  await redis.restart({ args: ['--save', ''] })
  await until('pushes go on', () =>
    emitter.push({ all: true }, 'x').then(
      () => true,
      () => false,
    ),
  )
})

test('a password that changes while a server runs fails its pushes with what Redis says, until it is back', async (t) => {
  const { redis, raw } = await startStore(t)
  await raw.call('ACL', 'SETUSER', 'flotilla', 'on', '>one', '~*', '+@all')
  const url = redis.url.replace('//', '//flotilla:one@')
  const server = await startServer(t, { url }, { storeWait: 1_000 })
  const u = await client(t, server, 'uid=u')
  await raw.call('ACL', 'SETUSER', 'flotilla', 'resetpass', '>two')
  await raw.call('CLIENT', 'KILL', 'USER', 'flotilla')
  await until('it says what Redis says', () =>
    server.cluster.push({ all: true }, 'x').then(
      () => false,
      (error: unknown) => isFlotillaError(error) && /Redis said: WRONGPASS/.test(error.message),
    ),
  )
  await raw.call('ACL', 'SETUSER', 'flotilla', '>one')
  await until('pushes go on', () =>
    server.cluster.push({ uid: 'u' }, 'after').then(
      ({ offline }) => offline.length === 0,
      () => false,
    ),
  )
  await until('they arrive', () => u.received.includes('after'))
})

test('an attached server whose Redis did not let it in takes its place once Redis does', async (t) => {
  const { redis, raw } = await startStore(t)
  const http = createHttpServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  atEnd(t, () => http.close())
  const server = createServer({
    modules: [defineModule('/ws', {})],
    driver: redisDriver({ url: redis.url.replace('//', '//flotilla:one@') }),
    ...TIMES,
  })
  atEnd(t, () => server.close({ timeout: 100 }))
  server.attach(http)
  await assert.rejects(server.ready(), { code: 'FLT_BAD_OPTION', message: /WRONGPASS/ })
  await raw.call('ACL', 'SETUSER', 'flotilla', 'on', '>one', '~*', '+@all')
  await until('it is in the cluster', () =>
    server.ready().then(
      () => true,
      () => false,
    ),
  )
  assert.equal((await server.cluster.nodes()).length, 1)
})

test('a master or a sentinel that refuses us, or does not know the name, is an error at start', async (t) => {
  const trio = await startSentinels()
  atEnd(t, () => trio.stop())
  for (const [url, says] of [
    [trio.url.replace('/flotilla', '/nobody'), /know no master of this name/],
    [trio.url.replace('/flotilla', '/flotilla/99'), /does not open this database.*ERR DB index/],
    [trio.url.replace('//', '//:wrong@'), /does not accept this user and password.*ERR AUTH/],
    [`${trio.url}?sentinelPassword=wrong`, /a sentinel does not accept this user and password/],
    [trio.pair.master.url.replace('redis:', 'redis+sentinel:').concat('/flotilla'), /is not a sentinel/],
    [trio.pair.master.url.replace('redis:', 'redis+cluster:'), /this Redis is not a cluster/],
  ] as const) {
    await assert.rejects(startServer(t, { url }, { connectTimeout: 60_000 }), {
      code: 'FLT_BAD_OPTION',
      message: says,
    })
  }
})
