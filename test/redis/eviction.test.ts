import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { redis, type RedisDriverOptions } from '../../src/drivers/redis/redis.ts'
import type { Logger } from '../../src/index.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { startRedis } from '../support/redis.ts'
import { atEnd, client, startServer } from './stage.ts'

const OTHERS = Array.from({ length: 50 }, (_, n) => `nobody-${n}`)

/** What a server that has started and pushed has logged about eviction. */
async function warningsOf(t: TestContext, store: RedisDriverOptions, count = 1): Promise<[object, string][]> {
  const lines: [object, string][] = []
  const warn = (fields: object, message = ''): void => {
    if (/maxmemory/.test(message)) lines.push([fields, message])
  }
  const logger: Logger = { debug() {}, info() {}, warn, error() {} }
  const driver = redis(store)
  for (let n = 0; n < count; n++) {
    const server = await startServer(t, store, { driver, logger })
    const u = await client(t, server, 'uid=u')
    // Users enough to need every master of a cluster: INFO is the first that each of them answers.
    await server.cluster.push({ uid: ['u', ...OTHERS] }, 'x')
    assert.equal(await u.next(), 'x')
    await server.close({ timeout: 100 })
  }
  return lines
}

test('a Redis that may throw keys away is warned of once, with what to set', async (t) => {
  const server = await startRedis(['--save', '', '--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'])
  atEnd(t, () => server.stop())
  const url = server.url.replace('//', '//:PASSWORD@')
  const raw = new Redis(server.url)
  atEnd(t, () => raw.disconnect())
  await raw.call('ACL', 'SETUSER', 'default', '>PASSWORD')
  const lines = await warningsOf(t, { url }, 2)
  assert.deepEqual(lines, [
    [
      { store: `${server.url}/0`, policy: 'allkeys-lru' },
      'Redis throws keys away when it has used up maxmemory, and messages with them: set its maxmemory-policy to noeviction',
    ],
  ])
  await raw.config('SET', 'maxmemory-policy', 'noeviction')
  assert.deepEqual(await warningsOf(t, { url }), [])
})

test('a Redis that forbids CONFIG is still warned of, and one that forbids INFO is not asked for more', async (t) => {
  const server = await startRedis([
    '--save',
    '',
    '--maxmemory-policy',
    'volatile-ttl',
    '--rename-command',
    'CONFIG',
    '',
  ])
  atEnd(t, () => server.stop())
  assert.equal((await warningsOf(t, { url: server.url })).length, 1)
  const raw = new Redis(server.url)
  atEnd(t, () => raw.disconnect())
  await raw.call('ACL', 'SETUSER', 'blind', 'on', '>x', '~*', '&*', '+@all', '-info', '-config')
  assert.deepEqual(await warningsOf(t, { url: server.url.replace('//', '//blind:x@') }), [])
})

test('one master of a cluster that may throw keys away is enough for the warning', async (t) => {
  const cluster = await startCluster([], { replicas: false })
  atEnd(t, () => cluster.stop())
  const raw = new Redis(cluster.servers[1]!.url)
  atEnd(t, () => raw.disconnect())
  await raw.config('SET', 'maxmemory-policy', 'allkeys-random')
  assert.equal((await warningsOf(t, { url: cluster.url })).length, 1)
})
