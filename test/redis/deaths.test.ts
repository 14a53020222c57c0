import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { Server } from '../../src/index.ts'
import { userHere, whereIs } from '../contracts/routes/words.ts'
import { joined, type Overrides, stage } from '../contracts/stage.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'
import { atEnd, startServer } from './stage.ts'

const SURVIVORS = 4
const PARTITIONS = 256

const server = new SuiteRedis()

/**
 * Starts survivors, joins a node that does not live (`ghost`) and one that may evict it (`other`), and records
 * everything that they ask of the store.
 */
async function startDeath(t: TestContext, times: Overrides) {
  const driver = redis({ url: server.url })
  const { state, settings } = stage(t, { driver }, times)
  const one = state()
  const { prefix, heartbeat, deadAfter } = settings
  const options = { prefix, heartbeat, deadAfter, connectTimeout: 120_000 }
  const start = (): Promise<Server> => startServer(t, { url: server.url }, options)
  const survivors = await Promise.all(Array.from({ length: SURVIVORS }, start))
  const [ghost, other] = [await joined(one, 'ghost'), await joined(one, 'other')]
  await one.apply(ghost, [userHere('u1')])
  const log = await StoreCalls.start(server.url)
  atEnd(t, () => log.stop())
  return { one, survivors, ghost, other, log }
}

test('all survivors see a death at once: one cleans up, and each of the others asks the store once', async (t) => {
  const { one, survivors, ghost, log } = await startDeath(t, { heartbeat: 60_000, deadAfter: 600_000 })
  await Promise.allSettled(survivors.map(({ cluster }) => cluster.evict(ghost)))
  await until('it is cleaned up', async () =>
    (await one.nodes()).gone.some(({ node, cleaned }) => node === ghost && cleaned),
  )
  const calls = await log.naming(ghost)
  const counts = new Map<string, number>()
  for (const { source } of calls) counts.set(source, (counts.get(source) ?? 0) + 1)
  const busy = [...counts.values()].filter((count) => count > 1)
  assert.ok(busy.length <= 2, `State and Queue of one, not ${busy.join(', ')}`)
  assert.ok(counts.size <= SURVIVORS + 1, `${counts.size}`)
  const fences = calls.filter(({ name, args }) => name === 'hdel' && args.at(-1) === '#')
  assert.equal(fences.length, PARTITIONS)
})

test('while one cleans up after a dead node, the heartbeats of the others do not name it', async (t) => {
  const { one, survivors, ghost, other, log } = await startDeath(t, { heartbeat: 100, deadAfter: 60_000 })
  await one.evict(ghost, 'evicted', other)
  await one.claim(ghost, other, 600_000)
  const before = (await log.naming(ghost)).length
  for (const { cluster } of survivors) {
    const own = (await log.naming(cluster.self)).length
    await until('it has taken several heartbeats', async () => (await log.naming(cluster.self)).length >= own + 20)
  }
  assert.equal((await log.naming(ghost)).length, before)
})

test('a node that evicted another and died before it fenced it is followed by a third', async (t) => {
  const { one, ghost, other } = await startDeath(t, { heartbeat: 100, deadAfter: 60_000 })
  assert.equal(await one.evict(ghost, 'evicted', other), 'claimed')
  await until('it is cleaned up', async () => (await one.nodes()).gone.some(({ cleaned }) => cleaned))
  assert.deepEqual(await whereIs(one, 'u1'), [])
  assert.deepEqual(await one.apply(ghost, [userHere('u1')]), { type: 'fenced' })
})
