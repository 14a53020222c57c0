import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { createServer, defineModule, isFlotillaError, type Server, type ServerOptions } from '../../src/index.ts'
import { connect, type TestClient } from '../../src/testing.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { elapse, until } from '../support/until.ts'

const KIB = 1024
const BOUND = 64 * KIB
const TIMES = { heartbeat: 1_000, deadAfter: 60_000 }
const ws = defineModule('/ws', {
  handshake: (ctx) => void (ctx.uid = new URL(ctx.request.url).searchParams.get('uid') ?? 'nobody'),
})

interface Stage {
  readonly redis: RedisServer
  /** The node that pushes. */
  readonly publisher: Server
  readonly emitter: Emitter
  /** The user `u`, on another node. */
  readonly client: TestClient
}

async function startStage(t: TestContext, options: Pick<ServerOptions, 'storeWait'>): Promise<Stage> {
  const redis = await startRedis()
  const driver = redisDriver({ url: redis.url })
  const { storeWait = 60_000 } = options
  const publisher = createServer({ modules: [ws], driver, ...TIMES, maxWaitingBytes: BOUND, storeWait })
  const host = createServer({ modules: [ws], driver, ...TIMES })
  const emitter = new Emitter({ driver, ...TIMES, maxWaitingBytes: BOUND, storeWait })
  t.after(async () => {
    redis.resume()
    await Promise.all([emitter.close(), publisher.close({ timeout: 100 }), host.close({ timeout: 100 })])
    await redis.stop()
  })
  const [, url] = await Promise.all([publisher.listen(0), host.listen(0)])
  const client = await connect(`${url}/ws?uid=u`)
  t.after(() => client.close())
  await Promise.all([publisher.cluster.push({ uid: 'u' }, 'begin'), emitter.push({ uid: 'u' }, 'begin')])
  assert.deepEqual([await client.next(), await client.next()], ['begin', 'begin'])
  return { redis, publisher, emitter, client }
}

const message = (n: number): string => `${n} `.padEnd(KIB, 'x')

/** The outcome of each push: its number if it resolved, otherwise its error code. */
function outcomesOf(pushes: readonly Promise<unknown>[]): Promise<(number | string)[]> {
  return Promise.all(
    pushes.map((push, n) =>
      push.then(
        () => n,
        (error: unknown) => (isFlotillaError(error) ? error.code : String(error)),
      ),
    ),
  )
}

function numbersOf(client: TestClient): number[] {
  return client.received.map((text) => Number.parseInt(String(text), 10))
}

for (const kind of ['a server', 'an emitter'] as const) {
  test(`if ${kind} outruns a halted store, pushes wait, those beyond the bound fail, and what resolved came in order`, async (t) => {
    const { redis, publisher, emitter, client } = await startStage(t, {})
    const { push } =
      kind === 'a server'
        ? { push: publisher.cluster.push.bind(publisher.cluster) }
        : { push: emitter.push.bind(emitter) }
    redis.pause()
    const pushes = Array.from({ length: 500 }, (_, n) => push({ uid: 'u' }, message(n)))
    const settled = outcomesOf(pushes)
    await elapse(200)
    redis.resume()
    const outcomes = await settled
    const resolved = outcomes.filter((outcome) => typeof outcome === 'number')
    // As many bytes may wait for the store, and as many again may wait for room.
    assert.ok(resolved.length > 100 && resolved.length <= 128, `${resolved.length} of 500 KiB`)
    assert.deepEqual(new Set(outcomes.slice(resolved.length)), new Set(['FLT_OVERLOADED']))
    await until('all of them come', () => client.received.length >= resolved.length)
    assert.deepEqual(numbersOf(client), resolved)
    await push({ uid: 'u' }, 'after')
    await until('it goes on', () => client.received.at(-1) === 'after')
  })
}

test('while the store stays away, pushes wait for room and fail; afterwards all is as before', async (t) => {
  const { redis, publisher, client } = await startStage(t, { storeWait: 3_000 })
  const push = (n: number): Promise<unknown> => publisher.cluster.push({ uid: 'u' }, message(n))
  redis.pause()
  const pushes = Array.from({ length: 100 }, (_, n) => push(n))
  const { waitingBytes, delayedCount } = publisher.stats()
  assert.ok(waitingBytes > BOUND - 2 * KIB && waitingBytes <= BOUND, `${waitingBytes} wait`)
  assert.ok(delayedCount > 30, `${delayedCount} had to wait`)
  for (const outcome of await outcomesOf(pushes)) assert.match(String(outcome), /^FLT_(STORE_AWAY|OVERLOADED)$/)
  redis.resume()
  await until('it takes pushes again', () =>
    push(100).then(
      () => true,
      () => false,
    ),
  )
  await push(101)
  await until('they come', () => numbersOf(client).includes(101))
  const { waitingBytes: left } = publisher.stats()
  assert.equal(left, 0)
})

test('pushes with an id wait and fail likewise, and one that was refused may be sent again under its id', async (t) => {
  const { redis, publisher, client } = await startStage(t, {})
  const push = (n: number): Promise<unknown> => publisher.cluster.push({ uid: 'u' }, message(n), { id: `id-${n}` })
  redis.pause()
  const settled = outcomesOf(Array.from({ length: 200 }, (_, n) => push(n)))
  assert.ok(publisher.stats().waitingBytes <= BOUND)
  await elapse(200)
  redis.resume()
  const outcomes = await settled
  const resolved = outcomes.filter((outcome) => typeof outcome === 'number')
  assert.ok(resolved.length > 100 && resolved.length <= 128, `${resolved.length} of 200 KiB`)
  assert.equal(outcomes.at(-1), 'FLT_OVERLOADED')
  await push(199)
  await until('all of them come', () => client.received.length === resolved.length + 1)
  assert.deepEqual(numbersOf(client), [...resolved, 199])
})

test('a node closes while the store is away and pushes wait for room', async (t) => {
  const { redis, publisher, emitter } = await startStage(t, { storeWait: 3_000 })
  redis.pause()
  const pushes = Array.from({ length: 100 }, (_, n) => [
    publisher.cluster.push({ uid: 'u' }, message(n)),
    emitter.push({ uid: 'u' }, message(n)),
  ]).flat()
  const settled = outcomesOf(pushes)
  await Promise.all([publisher.close({ timeout: 100 }), emitter.close()])
  const codes = new Set(await settled)
  for (const code of codes) assert.match(String(code), /^FLT_(STORE_AWAY|OVERLOADED|CLOSED)$/)
})

test('a node closes while pushes keep coming, and those made meanwhile fail', async (t) => {
  const { publisher, emitter } = await startStage(t, {})
  let isOver = false
  const codes = new Set<string>()
  const keepPushing = (): void => {
    for (const { push } of [
      { push: publisher.cluster.push.bind(publisher.cluster) },
      { push: emitter.push.bind(emitter) },
    ]) {
      push({ uid: 'u' }, 'on and on').catch((error: unknown) => {
        if (isFlotillaError(error)) codes.add(error.code)
      })
    }
    if (!isOver) setImmediate(keepPushing)
  }
  keepPushing()
  await elapse(100)
  await Promise.all([publisher.close({ timeout: 100 }), emitter.close()])
  isOver = true
  // Before that, the pushes may outrun the store.
  codes.delete('FLT_OVERLOADED')
  assert.deepEqual(codes, new Set(['FLT_CLOSED']))
})
