import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { redis } from '../../src/drivers/redis/redis.ts'
import { freePort } from '../support/free-port.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { atEnd, client, startEmitter, startServer } from './stage.ts'

/** A way to a server from outside of its network. */
async function doorTo(t: TestContext, port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port)
  atEnd(t, () => proxy.stop())
  return proxy
}

test('members of a cluster that name addresses of another network are reached where the map says they are', async (t) => {
  const cluster = await startCluster([], { replicas: false })
  atEnd(t, () => cluster.stop())
  const natMap: Record<string, string> = {}
  const admins: Redis[] = []
  for (const { url, port } of cluster.servers) {
    // Nobody listens there: the members talk to each other over their other ports.
    const inside = await freePort()
    natMap[`127.0.0.1:${inside}`] = `127.0.0.1:${port}`
    const raw = new Redis(url)
    admins.push(raw)
    atEnd(t, () => raw.disconnect())
    await raw.config('SET', 'cluster-announce-port', String(inside))
  }
  await until('all name the inner addresses', async () => {
    const lists = await Promise.all(admins.map((raw) => raw.call('CLUSTER', 'NODES')))
    return lists.every((list) => Object.keys(natMap).every((inside) => String(list).includes(`${inside}@`)))
  })
  const url = cluster.url.replace(/,.*/, '')
  await assert.rejects(startServer(t, { url }, { connectTimeout: 1_500, storeWait: 500 }), {
    code: 'FLT_STORE_AWAY',
    message: /the cluster name a server that cannot be reached from here: .*give natMap .*ECONNREFUSED/,
  })

  const store = { url, natMap }
  const server = await startServer(t, store)
  const users = Array.from({ length: 12 }, (_, index) => `u${index}`)
  const clients = await Promise.all(users.map((uid) => client(t, server, `uid=${uid}`)))
  const emitter = startEmitter(t, store)
  assert.deepEqual((await emitter.push({ uid: users }, 'to each')).offline, [])
  await emitter.push({ all: true }, 'to all')
  for (const u of clients) assert.deepEqual(new Set([await u.next(), await u.next()]), new Set(['to all', 'to each']))
})

test('a master that the sentinels name is reached where the map says it is, and so is the replica that takes over', async (t) => {
  const trio = await startSentinels()
  atEnd(t, () => trio.stop())
  const { master, replica } = trio.pair
  const doors = [await doorTo(t, master.port), await doorTo(t, replica.port)] as const
  const store = {
    url: trio.url,
    natMap: {
      [`127.0.0.1:${master.port}`]: { host: '127.0.0.1', port: doors[0].port },
      [`127.0.0.1:${replica.port}`]: `127.0.0.1:${doors[1].port}`,
    },
  }
  const server = await startServer(t, store)
  const u = await client(t, server, 'uid=u')
  const emitter = startEmitter(t, store)
  await emitter.push({ uid: 'u' }, 'before')
  assert.equal(await u.next(), 'before')
  doors[0].trouble({ refuses: true })
  doors[0].cut()
  await assert.rejects(startEmitter(t, store, 1_000).push({ uid: 'u' }, 'x'), { code: 'FLT_STORE_AWAY' })
  await master.kill9()
  await trio.failedOver(master)
  await emitter.push({ uid: 'u' }, 'after')
  await until('it has come', () => u.received.includes('after'))
  doors[1].trouble({ refuses: true })
  doors[1].cut()
  await assert.rejects(startEmitter(t, store, 1_000).push({ uid: 'u' }, 'x'), { code: 'FLT_STORE_AWAY' })
  doors[1].trouble({})
})

test('a map that cannot work is an error where the driver is made', () => {
  const url = 'redis+cluster://127.0.0.1'
  for (const [options, says] of [
    [{ url: 'redis://127.0.0.1', natMap: {} }, /^natMap: one server names no others: leave it out/],
    [{ url, natMap: [] }, /^natMap: give an object such as/],
    [{ url, natMap: 'a:1=b:2' }, /^natMap: give an object such as/],
    [{ url, natMap: { '10.0.0.5': 'a:1' } }, /^natMap: write each key as HOST:PORT/],
    [{ url, natMap: { '10.0.0.5:0': 'a:1' } }, /^natMap: write each key as HOST:PORT/],
    [{ url, natMap: { '10.0.0.5:1': 'redis://a:1' } }, /^natMap: write each value as HOST:PORT/],
    [{ url, natMap: { '10.0.0.5:1': { host: 'a' } } }, /^natMap: write each value as HOST:PORT/],
    [{ url, natMap: { '10.0.0.5:1': null } }, /^natMap: write each value as HOST:PORT/],
  ] as const) {
    assert.throws(() => redis(options as never), { code: 'FLT_BAD_OPTION', message: says })
  }
  redis({ url, natMap: { '[::1]:1': '[::2]:2', 'redis-0:6379': { host: 'a', port: 1 }, '::3:1': 'b:2' } })
})
