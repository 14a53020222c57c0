import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeList } from '../../src/drivers/nodes.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import { calm, joined, stage } from '../contracts/stage.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'
import { atEnd, startServer } from './stage.ts'

const MANY = 40

const server = new SuiteRedis()

const driver = (): { driver: ReturnType<typeof redis> } => ({ driver: redis({ url: server.url }) })

async function bytesSent(): Promise<number> {
  return Number(/^total_net_output_bytes:(\d+)/m.exec(await server.raw.info('stats'))![1])
}

/** How many bytes the store sends while `work` runs, without those that the measuring itself costs. */
async function replyBytes(work: () => Promise<unknown>): Promise<number> {
  const before = await bytesSent()
  const idle = (await bytesSent()) - before
  const start = await bytesSent()
  await work()
  return (await bytesSent()) - start - idle
}

/** How many bytes a node that has the list receives to hear of one more node. */
async function costOfOneMore(state: State): Promise<number> {
  const known = await state.nodes()
  await joined(state)
  return replyBytes(async () => assert.equal((await state.nodes(known)).live.length, known.live.length + 1))
}

function who({ live }: NodeList): string[] {
  return live.map(({ node }) => node).toSorted()
}

// Invariant N12: a heartbeat answers with the version of the node list, not with the list.
test('to hear of one more node costs the same in a small cluster and in a large one', async (t) => {
  const one = stage(t, driver(), calm).state()
  await joined(one)
  const small = await costOfOneMore(one)
  while ((await one.nodes()).live.length < MANY) await joined(one)
  const large = await costOfOneMore(one)
  const whole = await replyBytes(() => one.nodes())
  // Some numbers may be a digit longer.
  assert.ok(large <= small + 20, `${large} bytes, not ${small}`)
  assert.ok(large * 10 < whole, `${large} bytes of ${whole}`)
})

test('a node reads the whole list when it starts, and then only what has changed', async (t) => {
  const { state, settings } = stage(t, driver(), { heartbeat: 100, deadAfter: 60_000 })
  const calls = await StoreCalls.start(server.url)
  atEnd(t, () => calls.stop())
  const { prefix, heartbeat, deadAfter } = settings
  const node = await startServer(t, { url: server.url }, { prefix, heartbeat, deadAfter, connectTimeout: 120_000 })
  let found = 0
  node.cluster.on('discover', () => found++)
  for (let count = 1; count <= 3; count++) {
    await joined(state())
    await until('it is discovered', () => found === count)
  }
  const reads = await calls.naming(`${prefix}:{m}:seen`, `${prefix}:{m}:nodes`, `${prefix}:{m}:v`)
  assert.equal(reads.filter(({ args }) => args.at(-1) === '0').length, 1)
  assert.ok(reads.length >= 4, `${reads.length}`)
})

test('a node that was away for longer than the store remembers changes reads the whole list', async (t) => {
  const { state, settings } = stage(t, driver(), calm)
  const one = state()
  const nodes = [await joined(one), await joined(one)]
  const known = await one.nodes()
  await one.evict(nodes[0]!, 'closed', nodes[0]!)
  await server.raw.xtrim(`${settings.prefix}:{m}:log`, 'MAXLEN', 0)
  nodes.push(await joined(one))
  assert.deepEqual(who(await one.nodes(known)), nodes.slice(1).toSorted())
})

test('if the store has lost the last changes, or all, a node does not take them for those that came instead', async (t) => {
  const { state, settings } = stage(t, driver(), calm)
  const one = state()
  const kept = await joined(one)
  const keys = await server.raw.keys(`${settings.prefix}:{m}:*`)
  const dumps = await Promise.all(keys.map((key) => server.raw.dumpBuffer(key)))
  const lost = await joined(one)
  const known = await one.nodes()
  assert.deepEqual(who(known), [kept, lost].toSorted())
  // As if a replica had taken over without the last changes.
  await Promise.all(keys.map((key, index) => server.raw.restore(key, 0, dumps[index]!, 'REPLACE')))
  const other = await joined(one)
  assert.deepEqual(who(await one.nodes(known)), [kept, other].toSorted())
  await server.raw.del(keys)
  const after = await joined(one)
  assert.deepEqual(who(await one.nodes(known)), [after])
})
