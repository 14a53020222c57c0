import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { Codec } from '../../src/envelope/envelope.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import {
  createServer,
  defineModule,
  isFlotillaError,
  type Server,
  type ServerOptions,
  type Target,
} from '../../src/index.ts'
import { connect, type TestClient } from '../../src/testing.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startNode } from '../support/start-node.ts'
import { StoreProxy } from '../support/store-proxy.ts'
import { elapse, until } from '../support/until.ts'

/** ms. No node of this process dies here, and none may be taken for dead on a busy machine. */
const TIMES = { heartbeat: 500, deadAfter: 60_000 }
const KIB = 1024
const LAG_LIMIT = 250
/** More than the kernel's buffers take for a client that does not read. */
const FLOOD = 64
const ws = defineModule('/ws', {
  handshake(ctx) {
    const { searchParams } = new URL(ctx.request.url)
    ctx.uid = searchParams.get('uid') ?? 'nobody'
    for (const group of searchParams.getAll('group')) ctx.groups.add(group)
  },
})

const large = (n: number | string): string => `${n} `.padEnd(512 * KIB, 'x')
const numberOf = (message: unknown): number => Number.parseInt(String(message), 10)

/** Nodes in this process and in processes of their own, on one real Redis. */
class Stage {
  readonly redis: RedisServer
  readonly raw: Redis
  readonly #closers: (() => unknown)[] = []
  /** How many re-sent copies were read from the store. */
  resentCount = 0

  private constructor(t: TestContext, redis: RedisServer) {
    this.redis = redis
    this.raw = new Redis(redis.url)
    t.after(async () => {
      for (const close of this.#closers.toReversed()) await close()
      this.raw.disconnect()
      await redis.stop()
    })
  }

  static async start(t: TestContext): Promise<Stage> {
    return new Stage(t, await startRedis())
  }

  ends(close: () => unknown): void {
    this.#closers.push(close)
  }

  async node(options: Partial<ServerOptions> = {}): Promise<Server> {
    const codec: Codec = {
      ...binaryCodec,
      name: 'binary',
      encode: (batch) => binaryCodec.encode(batch),
      decode: (bytes) => {
        const batch = binaryCodec.decode(bytes)
        for (const envelope of batch.envelopes) if (envelope.type === 'push' && envelope.resent) this.resentCount++
        return batch
      },
    }
    const driver = redisDriver({ url: this.redis.url })
    const server = createServer({ modules: [ws], driver, codec, maxBuffered: 2 ** 28, ...TIMES, ...options })
    this.ends(() => server.close({ timeout: 100 }))
    await server.listen(0)
    return server
  }

  async client(server: { readonly url: string | undefined }, query: string): Promise<TestClient> {
    const client = await connect(`${server.url}/ws?${query}`)
    this.ends(() => client.socket.terminate())
    return client
  }

  /** How many entries of its inbox the node has not acked. */
  unacked({ id }: { readonly id: string }): Promise<number> {
    return this.raw.xlen(new Keys('flotilla').inbox(id as NodeId))
  }
}

const idOf = (server: Server): { id: string } => ({ id: server.cluster.self })

test('a client that reads nothing delays acks for 250 ms, is counted once, and delays nobody else', async (t) => {
  const stage = await Stage.start(t)
  const [a, b] = [await stage.node(), await stage.node({ maxInboxBytes: 48 * 1024 * KIB })]
  const [stalled, swift] = [await stage.client(b, 'uid=stalled'), await stage.client(b, 'uid=swift')]
  stalled.socket.pause()
  const began = performance.now()
  const flood = Array.from({ length: FLOOD }, (_, n) => a.cluster.push({ uid: 'stalled' }, large(n)))
  await Promise.all(flood)
  await until('everything is acked', async () => (await stage.unacked(idOf(b))) === 0)
  const took = performance.now() - began
  assert.ok(took > LAG_LIMIT, `all were acked after ${took} ms, though the client had not read`)
  assert.equal(b.stats().laggedCount, 1)

  for (let round = 0; round < 50; round++) {
    await Promise.all([a.cluster.push({ uid: 'stalled' }, 'x'), a.cluster.push({ uid: 'swift' }, String(round))])
    assert.equal(await swift.next(), String(round))
  }
  await until('later pushes are acked', async () => (await stage.unacked(idOf(b))) === 0)
  assert.equal(b.stats().laggedCount, 1, 'a client that still lags is counted once')
  stalled.socket.resume()
  for (let n = 0; n < FLOOD; n++) assert.equal(numberOf(await stalled.next()), n)
})

test('after a kill -9, what the client had not taken is still in the inbox and reaches the user on another node', async (t) => {
  const stage = await Stage.start(t)
  const a = await stage.node()
  const b = await startNode(['--dev', '--redis', stage.redis.url, '--heartbeat=500', '--dead-after=4000'])
  stage.ends(() => b.kill9())
  const stalled = await stage.client(b, 'uid=u')
  stalled.socket.pause()
  let last = 0
  // Pushes one entry after another until one stays unacked. At that moment node b is paused, so it cannot ack the entry
  // later.
  for (let isHeld = false; !isHeld && last < FLOOD; last++) {
    b.resume()
    await a.cluster.push({ uid: 'u' }, large(last))
    await elapse(LAG_LIMIT / 5)
    b.pause()
    // An ack that is still on its way arrives before this answer.
    await stage.unacked(b)
    isHeld = (await stage.unacked(b)) > 0
  }
  assert.ok((await stage.unacked(b)) > 0, 'what the client had not taken was not acked')
  await b.kill9()
  const moved = await stage.client(a, 'uid=u')
  assert.equal(numberOf(await moved.next()), last - 1)
})

for (const how of ['vanishes', 'is kicked'] as const) {
  test(`what a client that ${how} had not taken reaches the user's younger connection once`, async (t) => {
    const stage = await Stage.start(t)
    const [a, b] = [await stage.node(), await stage.node()]
    const old = await stage.client(a, 'uid=u&group=g')
    old.socket.pause()
    await Promise.all(Array.from({ length: FLOOD }, (_, n) => b.cluster.push({ uid: 'u' }, large(n))))
    await a.cluster.push({ group: 'g' }, large(FLOOD))
    await until('it is acked', async () => (await stage.unacked(idOf(a))) === 0)
    const young = await stage.client(b, 'uid=u&group=g')
    if (how === 'is kicked') await b.cluster.disconnect({ connection: [...a.local].map(({ id }) => id) })
    old.socket.terminate()
    const got = new Set<number>()
    while (!got.has(FLOOD) || !got.has(FLOOD - 1)) {
      const n = numberOf(await young.next())
      assert.ok(!got.has(n), `${n} came twice`)
      got.add(n)
    }
    const first = FLOOD - got.size + 1
    assert.ok(first > 0, 'the kernel had taken some')
    await until('none is missing', () => [...got].toSorted((x, y) => x - y).every((n, index) => n === first + index))
  })
}

test('a node that closes while the store is away gives up what its clients left behind', async (t) => {
  const stage = await Stage.start(t)
  const a = await stage.node({ storeWait: 3_000 })
  const client = await stage.client(a, 'uid=u')
  client.socket.pause()
  for (let n = 0; n < 4 * FLOOD; n++) await a.cluster.push({ uid: 'u' }, large(n))
  stage.redis.pause()
  await a.close({ timeout: 100 })
  stage.redis.resume()
  assert.ok(a.stats().undeliveredCount > FLOOD, `${a.stats().undeliveredCount} are counted`)
})

test('what a client left behind also reaches a younger connection on the same node', async (t) => {
  const stage = await Stage.start(t)
  const a = await stage.node()
  const old = await stage.client(a, 'uid=u')
  old.socket.pause()
  await Promise.all(Array.from({ length: FLOOD }, (_, n) => a.cluster.push({ uid: 'u' }, large(n))))
  const young = await stage.client(a, 'uid=u')
  old.socket.terminate()
  for (let n = 0; n !== FLOOD - 1;) n = numberOf(await young.next())
})

test('a user who closes while no message waits leaves nothing behind', async (t) => {
  const stage = await Stage.start(t)
  const [a, b] = [await stage.node(), await stage.node()]
  const phone = await stage.client(b, 'uid=u&group=g')
  const other = await stage.client(a, 'uid=u&group=g')
  for (let n = 0; n < 20; n++) {
    await Promise.all([a.cluster.push({ uid: 'u' }, 'x'), a.cluster.push({ group: 'g' }, 'x')])
    await phone.next()
    await phone.next()
  }
  phone.close()
  await phone.closed
  await until('it is gone', async () => (await a.cluster.connections('u')).length === 1)
  await elapse(100)
  assert.deepEqual([stage.resentCount, b.stats().undeliveredCount, b.stats().laggedCount], [0, 0, 0])
  other.close()
})

// Invariant D5: resolved means the same for a node's own connections.
test('a push to a user of the same node resolves when the client has taken it, or after 250 ms; nobody else waits', async (t) => {
  const stage = await Stage.start(t)
  const a = await stage.node()
  const [stalled] = [await stage.client(a, 'uid=stalled'), await stage.client(a, 'uid=swift')]
  stalled.socket.pause()
  const began = performance.now()
  const pushes = Array.from({ length: FLOOD }, (_, n) => a.cluster.push({ uid: 'stalled' }, large(n)))
  const swift = a.cluster.push({ uid: 'swift' }, 'x').then(() => performance.now() - began)
  await Promise.all(pushes)
  const took = performance.now() - began
  assert.ok(took >= LAG_LIMIT, `they resolved after ${took} ms, though the client had not read`)
  assert.ok((await swift) < took, 'the other did not wait')
  const order: string[] = []
  const other = await stage.client(a, 'uid=other')
  other.socket.pause()
  const newly = Array.from({ length: FLOOD }, (_, n) => a.cluster.push({ uid: 'other' }, large(n)))
  await Promise.all([
    Promise.all(newly).then(() => order.push('lags for the first time')),
    a.cluster.push({ uid: 'stalled' }, 'x').then(() => order.push('still lags')),
  ])
  assert.deepEqual(order, ['still lags', 'lags for the first time'], 'a client that still lags is not waited for again')
})

/** One node stops, and another pushes to the target until there is no room for more. */
async function fillsStoppedNode(t: TestContext, target: Target): Promise<void> {
  const stage = await Stage.start(t)
  const times = { heartbeat: 500, deadAfter: 60_000 }
  const a = await stage.node({ ...times, maxInboxBytes: 256 * KIB })
  const b = await startNode(['--dev', '--redis', stage.redis.url, '--heartbeat=500', '--dead-after=60000'])
  stage.ends(() => b.kill9())
  const client = await stage.client(b, 'uid=u')
  await a.cluster.push(target, '0')
  await client.next()
  b.pause()
  const taken: number[] = []
  let refusedCount = 0
  for (let n = 1; n <= 100; n++) {
    try {
      await a.cluster.push(target, `${n} `.padEnd(8 * KIB, 'x'))
      taken.push(n)
    } catch (error) {
      assert.ok(isFlotillaError(error) && error.code === 'FLT_INBOX_FULL', String(error))
      refusedCount++
    }
  }
  assert.ok(refusedCount > 50 && taken.length > 10, `${refusedCount} were refused`)
  b.resume()
  for (const n of taken) assert.equal(numberOf(await client.next()), n)
  await until('there is room again', () =>
    a.cluster.push(target, 'after').then(
      () => true,
      () => false,
    ),
  )
  assert.equal(await client.next(), 'after')
}

test('if a stopped node fills the broadcast stream, broadcasts are refused, and none that was taken is missing', (t) =>
  fillsStoppedNode(t, { all: true }))

test('if the inbox of a stopped node is full, pushes to its users are refused, and none that was taken is missing', (t) =>
  fillsStoppedNode(t, { uid: 'u' }))

test('a push with an id that failed because its reply was lost arrives once if it is sent again', async (t) => {
  const stage = await Stage.start(t)
  await using proxy = await StoreProxy.start(stage.redis.port)
  const a = await stage.node()
  const client = await stage.client(a, 'uid=u&group=g')
  await using emitter = new Emitter({ driver: redisDriver({ url: proxy.url }), ...TIMES, storeWait: 3_000 })
  const [connection] = await emitter.connections('u')
  const targets = [{ uid: 'u' }, { group: 'g' }, { connection: connection!.connection }, { all: true }] as const
  for (const [index, target] of targets.entries()) {
    const [id, message] = [`id-${index}`, `message-${index}`]
    proxy.loseRepliesFrom(message)
    await assert.rejects(emitter.push(target, message, { id }), { code: 'FLT_STORE_AWAY' })
    await until('its id is free again', () =>
      emitter.push(target, message, { id }).then(
        () => true,
        () => false,
      ),
    )
    assert.equal(proxy.lostCount, index + 1)
    assert.equal(await client.next(), message)
  }
  await emitter.push({ uid: 'u' }, 'end')
  assert.equal(await client.next(), 'end', 'nothing came twice')
})
