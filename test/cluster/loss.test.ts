import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { type NodeId, partitionOf } from '../../src/envelope/ids.ts'
import { createServer, defineModule, type Server, type ServerOptions } from '../../src/index.ts'
import { connect, type TestClient } from '../../src/testing.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { elapse, until } from '../support/until.ts'
import { driverWith } from './words.ts'

/** ms. After a loss, nodes have a heartbeat and a second to come back: here as long as a busy machine needs. */
const TIMES = { heartbeat: 2_000, deadAfter: 8_000, storeWait: 60_000 }
const ws = defineModule('/ws', {
  handshake(ctx) {
    const { searchParams } = new URL(ctx.request.url)
    const uid = searchParams.get('uid')
    if (uid !== null) ctx.uid = uid
    for (const group of searchParams.getAll('group')) ctx.groups.add(group)
  },
})

/** Several nodes in this process on one real Redis. */
class Stage {
  readonly redis: RedisServer
  readonly raw: Redis
  /** Closed in reverse order, so that nothing has to wait for a Redis that has ended. */
  readonly #closers: (() => unknown)[] = []

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

  async node(options: Partial<ServerOptions> = {}): Promise<Server> {
    const server = createServer({ modules: [ws], driver: redisDriver({ url: this.redis.url }), ...TIMES, ...options })
    this.#closers.push(() => server.close({ timeout: 100 }))
    await server.listen(0)
    return server
  }

  emitter(): Emitter {
    const emitter = new Emitter({ driver: redisDriver({ url: this.redis.url }), ...TIMES })
    this.#closers.push(() => emitter.close())
    return emitter
  }

  async client(server: Server, query: string): Promise<TestClient> {
    const client = await connect(`${server.url}/ws?${query}`)
    this.#closers.push(() => client.socket.terminate())
    return client
  }
}

// Invariant R13: empty is not offline.
test('after a loss, nobody is reported offline or left out before every node had time to come back', async (t) => {
  const stage = await Stage.start(t)
  const [a, b, c] = [await stage.node(), await stage.node(), await stage.node()]
  const clients = [await stage.client(a, 'uid=two&group=room'), await stage.client(b, 'uid=two&group=room')]
  const single = await stage.client(b, 'uid=single')
  const [listed] = await a.cluster.connections('single')
  await stage.raw.flushall()
  // This node asks for the user for the first time, while the other nodes are still coming back.
  const [toSingle, toTwo, toRoom, toConnection] = await Promise.all([
    c.cluster.push({ uid: 'single' }, 'x'),
    c.cluster.push({ uid: 'two' }, 'u'),
    c.cluster.push({ group: 'room' }, 'g'),
    c.cluster.push({ connection: listed!.connection }, 'c'),
  ])
  assert.deepEqual([toSingle.offline, toTwo.offline, toConnection.offline], [[], [], []])
  assert.deepEqual([toTwo.nodeCount, toRoom.nodeCount], [2, 2])
  for (const client of clients)
    assert.deepEqual([await client.next(), await client.next()].map(String).sort(), ['g', 'u'])
  assert.deepEqual([await single.next(), await single.next()].map(String).sort(), ['c', 'x'])
  const broadcast = await a.cluster.push({ all: true }, 'all')
  assert.equal(broadcast.nodeCount, 3)
})

test('an emitter reports users as offline again once a loss is over, and finds nodes under their new ids', async (t) => {
  const stage = await Stage.start(t)
  const node = await stage.node()
  const client = await stage.client(node, 'uid=on')
  const emitter = stage.emitter()
  const [listed] = await emitter.connections('on')
  await emitter.push({ uid: ['on', 'off'] }, '1')
  await emitter.push({ connection: listed!.connection }, '2')
  await stage.raw.flushall()
  const after = await emitter.push({ uid: ['on', 'off'] }, '3')
  assert.deepEqual(after.offline, ['off'])
  await emitter.push({ connection: listed!.connection }, '4')
  await until('all have come', () => client.received.length === 4)
  assert.deepEqual(client.received, ['1', '2', '3', '4'])
  assert.deepEqual((await emitter.push({ uid: 'off' }, '5')).offline, ['off'])
})

test('after a loss, pushes go on while the place of another target is not known yet', async (t) => {
  const stage = await Stage.start(t)
  const node = await stage.node({ storeWait: 5_000 })
  const client = await stage.client(node, 'uid=on')
  await node.cluster.push({ uid: ['on', 'off'] }, 'warm')
  await client.next()
  await stage.raw.del(new Keys('flotilla').epoch(partitionOf('off')))
  const off = node.cluster.push({ uid: 'off' }, 'x').catch((error: unknown) => error)
  await node.cluster.push({ uid: 'on' }, 'past')
  assert.equal(await client.next(), 'past')
  assert.equal(((await off) as { code: string }).code, 'FLT_STORE_AWAY')
})

// Invariant N10: a node that has joined again takes over its former self, once everybody is bound under the new id.
test('a node that joins again because its inbox was lost takes its former id out of the list, although that has a lease', async (t) => {
  const stage = await Stage.start(t)
  let self: string | undefined
  const steps: string[] = []
  const driver = driverWith(redisDriver({ url: stage.redis.url }), {
    state: (state) => ({
      apply: async (id, changes) => {
        const applied = await state.apply(id, changes)
        if (id !== self) steps.push('bound')
        return applied
      },
      evict: (...eviction) => {
        steps.push('evicted')
        return state.evict(...eviction)
      },
    }),
  })
  const node = await stage.node({ driver, heartbeat: 100, deadAfter: 3_600_000 })
  self = node.cluster.self
  const client = await stage.client(node, 'uid=u')
  await stage.raw.del(new Keys('flotilla').inbox(self as NodeId), new Keys('flotilla').inboxMeta(self as NodeId))
  await until('it has a new id alone', async () => {
    const [first, ...others] = await node.cluster.nodes()
    return first!.node !== self && others.length === 0
  })
  assert.equal(steps[0], 'bound')
  assert.deepEqual((await node.cluster.push({ uid: 'u' }, 'x')).offline, [])
  assert.equal(await client.next(), 'x')
})

test('a node closes while the store is away, even if a client is being bound', async (t) => {
  const stage = await Stage.start(t)
  const node = await stage.node({ storeWait: 3_000 })
  const client = await stage.client(node, 'uid=u')
  await stage.redis.kill9()
  const late = connect(`${node.url}/ws?uid=late`)
  const refused = assert.rejects(late)
  await node.close({ timeout: 500 })
  assert.equal((await client.closed).code, 1001)
  await refused
})

test('a client that is being bound when its node closes is not left with an open socket', async (t) => {
  const stage = await Stage.start(t)
  const node = await stage.node()
  stage.redis.pause()
  const refused = assert.rejects(connect(`${node.url}/ws?uid=u`))
  await elapse(100)
  const closing = node.close({ timeout: 500 })
  await elapse(100)
  stage.redis.resume()
  await closing
  await refused
})

// Invariant N6: a join that stops halfway leaves nothing for ever.
test('what a join that stopped halfway left behind is cleaned up, and holds back no broadcast', async (t) => {
  const stage = await Stage.start(t)
  const node = await stage.node()
  await elapse(TIMES.deadAfter)
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: console }
  const { state, queue } = redisDriver({ url: stage.redis.url })
  const halfway = [state(settings), queue(settings)] as const
  const id = 'half-abcdefghij' as Parameters<(typeof halfway)[1]['open']>[0]
  await halfway[0].join({ node: id, name: 'half', startedAt: 0 })
  await halfway[1].open(id)
  for (const handle of halfway) await handle.close()
  assert.equal((await node.cluster.push({ all: true }, 'x')).nodeCount, 2)
  await until('it is gone', async () => (await node.cluster.push({ all: true }, 'x')).nodeCount === 1)
  await until('nothing is left', async () => (await stage.raw.keys(`*${id}*`)).length === 0)
})

// Invariant K8: a dead node leaves nothing behind except keys that expire.
test('after the last node has left, only what expires remains in the store', async (t) => {
  const stage = await Stage.start(t)
  const nodes = [await stage.node(), await stage.node()]
  for (const node of nodes) await stage.client(node, 'uid=u&group=g')
  await nodes[0]!.cluster.push({ all: true }, 'x')
  await nodes[0]!.cluster.push({ uid: 'u' }, 'x')
  for (const node of nodes) await node.close()
  const keys = (await stage.raw.keys('*')).filter((key) => !/:e$|\{m\}:(gone|v|log)$|\{all\}:m$/.test(key))
  for (const key of keys) assert.notEqual(await stage.raw.pttl(key), -1, key)
})

test('a Redis that has forgotten its scripts gets them again, and nobody is refused', async (t) => {
  const stage = await Stage.start(t)
  const [a, b] = [await stage.node(), await stage.node()]
  await stage.client(a, 'uid=first&group=room')
  await stage.raw.script('FLUSH')
  const second = await stage.client(a, 'uid=second&group=room')
  await b.cluster.push({ uid: 'second' }, 'u')
  await b.cluster.push({ group: 'room' }, 'g')
  assert.deepEqual([await second.next(), await second.next()], ['u', 'g'])
})

test('clients that come in a crowd are reached from their 101 on, and cost the store one script each', async (t) => {
  const stage = await Stage.start(t)
  // Heartbeats ask for markers as well, but so few that they do not matter.
  const slow = { heartbeat: 60_000, deadAfter: 240_000 }
  const [a, b] = [await stage.node(slow), await stage.node(slow)]
  await stage.client(a, 'uid=first')
  await stage.raw.config('RESETSTAT')
  const names = Array.from({ length: 60 }, (_, index) => `u${index}`)
  const clients = await Promise.all(
    names.map(async (uid) => {
      const client = await stage.client(a, `uid=${uid}`)
      assert.deepEqual((await b.cluster.push({ uid }, uid)).offline, [])
      return client
    }),
  )
  assert.deepEqual(await Promise.all(clients.map((client) => client.next())), names)
  const stats = await stage.raw.info('commandstats')
  // Every script that binds asks once for the node's marker, and users in one partition may share a script.
  const asked = Number(/cmdstat_hexists:calls=(\d+)/.exec(stats)?.[1])
  assert.ok(asked > 0 && asked < 1.5 * names.length, `${asked} scripts for ${names.length} clients`)
})
