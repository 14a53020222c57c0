import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { Codec, PushEnvelope } from '../../src/envelope/envelope.ts'
import { jsonCodec } from '../../src/envelope/json-codec.ts'
import { createServer, defineModule, type Server } from '../../src/index.ts'
import { connect } from '../../src/testing.ts'
import { flotilla } from '../standalone/flotilla.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startNode } from '../support/start-node.ts'
import { until } from '../support/until.ts'

const TIMES = { heartbeat: 500, deadAfter: 4_000 }
const FLAGS = ['--dev', '--heartbeat=500', '--dead-after=4000']
const ws = defineModule('/ws', {
  handshake: (ctx) => void (ctx.uid = new URL(ctx.request.url).searchParams.get('uid') ?? 'nobody'),
})

interface Stage {
  readonly redis: RedisServer
  /** Closed in reverse order, so that nothing has to wait for a Redis that has ended. */
  ends(close: () => unknown): void
}

async function startStage(t: TestContext): Promise<Stage> {
  const redis = await startRedis()
  const closers: (() => unknown)[] = [() => redis.stop()]
  t.after(async () => {
    for (const close of closers.toReversed()) await close()
  })
  return { redis, ends: (close) => void closers.push(close) }
}

/** A node that notes every push that it reads. */
async function listen({ redis, ends }: Stage, base: Codec): Promise<{ server: Server; read: PushEnvelope[] }> {
  const read: PushEnvelope[] = []
  const codec: Codec = {
    name: base.name,
    encode: (batch) => base.encode(batch),
    decode(bytes) {
      const batch = base.decode(bytes)
      for (const envelope of batch.envelopes) if (envelope.type === 'push') read.push(envelope)
      return batch
    },
  }
  const server = createServer({ modules: [ws], driver: redisDriver({ url: redis.url }), codec, ...TIMES })
  ends(() => server.close({ timeout: 100 }))
  await server.listen(0)
  return { server, read }
}

const textOf = ({ payload }: PushEnvelope): string => Buffer.from(payload.data).toString()

test('a push carries its key, whichever way it is made', async (t) => {
  const stage = await startStage(t)
  const { server, read } = await listen(stage, binaryCodec)
  const standalone = await startNode([...FLAGS, '--redis', stage.redis.url])
  stage.ends(() => standalone.kill9())
  await using emitter = new Emitter({ driver: redisDriver({ url: stage.redis.url }) })
  const raw = new Redis(stage.redis.url)
  stage.ends(() => raw.disconnect())

  await server.cluster.push({ all: true }, 'library', { key: 'price' })
  await emitter.push({ all: true }, 'emitter', { key: '价格' })
  await standalone.api('POST', '/api/push', { all: true, message: 'http', key: 'price' })
  await standalone.api('POST', '/api/push/batch', { pushes: [{ all: true, message: 'batch', key: 'price' }] })
  const pushed = await flotilla(['push', '--all', 'command', '--key', 'price', '--url', standalone.url])
  assert.equal(pushed.code, 0, pushed.stderr)
  await raw.xadd('flotilla:ingress', '*', 'body', JSON.stringify({ all: true, message: 'ingress', key: 'price' }))
  await server.cluster.push({ all: true }, 'without')

  const keys = (): Record<string, string | undefined> =>
    Object.fromEntries(read.map((push) => [textOf(push), push.key]))
  await until('all of them are read', () => Object.keys(keys()).length === 7)
  assert.deepEqual(keys(), {
    library: 'price',
    emitter: '价格',
    http: 'price',
    batch: 'price',
    command: 'price',
    ingress: 'price',
    without: undefined,
  })
})

test('the JSON codec carries the key, too', async (t) => {
  const stage = await startStage(t)
  const [one, other] = [await listen(stage, jsonCodec), await listen(stage, jsonCodec)]
  const client = await connect(`${other.server.url}/ws?uid=u`)
  stage.ends(() => client.close())
  await one.server.cluster.push({ uid: 'u' }, 'x', { key: 'price' })
  assert.equal(await client.next(), 'x')
  assert.deepEqual(
    other.read.map(({ key }) => key),
    ['price'],
  )
})

test('a push that is taken over from a dead node keeps its key and its kind', async (t) => {
  const stage = await startStage(t)
  const survivors = [await listen(stage, binaryCodec), await listen(stage, binaryCodec)]
  const dying = await startNode([...FLAGS, '--redis', stage.redis.url])
  stage.ends(() => dying.kill9())
  for (const uid of ['u0', 'u1']) await connect(`${dying.url}/ws?uid=${uid}`)
  dying.pause()
  const { cluster } = survivors[0]!.server
  const { nodeCount } = await cluster.push({ uid: ['u0', 'u1'] }, { read: false }, { key: 'price' })
  assert.equal(nodeCount, 1)
  // Whichever node takes over, it sends the user of the other one a copy through the store.
  const clients = await Promise.all(survivors.map(({ server }, n) => connect(`${server.url}/ws?uid=u${n}`)))
  stage.ends(() => clients.forEach((client) => client.close()))
  await dying.kill9()
  assert.deepEqual(await Promise.all(clients.map((client) => client.next())), ['{"read":false}', '{"read":false}'])
  const copies = survivors.flatMap(({ read }) => read.filter(({ resent }) => resent))
  assert.deepEqual(
    copies.map(({ key, payload }) => [key, payload.kind]),
    [['price', 'json']],
  )
})

test('the same id with another key is another push', async (t) => {
  const stage = await startStage(t)
  const { server } = await listen(stage, binaryCodec)
  const push = (key?: string): Promise<unknown> =>
    server.cluster.push({ all: true }, 'x', { id: 'order-42', ...(key !== undefined && { key }) })
  const first = await push('price')
  assert.deepEqual(await push('price'), first)
  for (const key of ['volume', undefined]) await assert.rejects(push(key), { code: 'FLT_ID_REUSED' })
})
