import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import { Emitter } from '../../src/emitter.ts'
import type { Uid } from '../../src/envelope/ids.ts'
import { createServer, type PushOptions, type Target } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../support/connect.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'
import { driverWith, trusting } from './words.ts'

const HOLD = { hold: 60_000 }
/** Long, so that no call of a heartbeat is counted among those of a push. */
const TIMES = { heartbeat: 20_000, deadAfter: 80_000, storeWait: 20_000 }

const store = new SuiteRedis()

type Park = State['park']

/** Two nodes on one Redis. The pushes come from the first, whose parking may be made to wait. */
async function startTwo(t: TestContext, prefix: string, park = (call: () => ReturnType<Park>) => call()) {
  const driver = redis({ url: store.url })
  const waiting = driverWith(driver, {
    state: (state) => ({ park: (...args: Parameters<Park>) => park(() => state.park(...args)) }),
  })
  const options = { modules: [trusting], prefix, logger: silent, ...TIMES }
  const a = createServer({ ...options, driver: waiting })
  const b = createServer({ ...options, driver })
  await Promise.all([a.listen(0), b.listen(0)])
  t.after(() => Promise.all([a.close({ timeout: 100 }), b.close({ timeout: 100 })]))
  return { a, b, urls: [a.url!, b.url!] as const, options: { driver, prefix, ...TIMES } }
}

test('a held push waits for the connection that comes first, and then for no other', async (t) => {
  const { a, urls, options } = await startTwo(t, 'first')
  const emitter = new Emitter(options)
  t.after(() => emitter.close())
  const receipt = await a.cluster.push({ uid: 'u' }, 'm0', HOLD)
  assert.deepEqual(receipt, { id: receipt.id, nodeCount: 0, offline: ['u'], held: ['u'] })
  assert.deepEqual((await emitter.push({ uid: 'u' }, 'm1', HOLD)).held, ['u'])
  assert.equal('held' in (await a.cluster.push({ uid: 'u' }, 'not held')), false)
  const first = await connect(urls[1], { uid: 'u' })
  await first.waitFor(2)
  await until('nothing is parked', async () => (await store.raw.keys('first:*:park:u')).length === 0)
  const second = await connect(urls[0], { uid: 'u' })
  assert.deepEqual(await a.cluster.push({ uid: ['u'] }, 'm2', HOLD).then(({ offline, held }) => [offline, held]), [
    [],
    [],
  ])
  await Promise.all([first.waitFor(3), second.waitFor(1)])
  assert.deepEqual([first.texts, second.texts], [['m0', 'm1', 'm2'], ['m2']])
})

test('a receipt says who is there, who is held, and who is excepted', async (t) => {
  const { a, urls } = await startTwo(t, 'receipt')
  const here = await connect(urls[1], { uid: 'here' })
  const options = { ...HOLD, except: { uid: 'excepted' } }
  const receipt = await a.cluster.push({ uid: ['here', 'away', 'excepted'] }, 'm', options)
  assert.equal(receipt.nodeCount, 1)
  assert.deepEqual([receipt.offline.toSorted(), receipt.held], [['away', 'excepted'], ['away']])
  const [away, excepted] = await Promise.all([connect(urls[0], { uid: 'away' }), connect(urls[0], { uid: 'excepted' })])
  await a.cluster.push({ uid: ['here', 'away', 'excepted'] }, 'last')
  await Promise.all([here.waitFor(2), away.waitFor(2), excepted.waitFor(1)])
  assert.deepEqual([here.texts, away.texts, excepted.texts], [['m', 'last'], ['m', 'last'], ['last']])
})

// Invariant P6: parked or found, in one step with binding.
test('a user who comes between the lookup and the parking of a held push gets it once, and before what was pushed later', async (t) => {
  let letGo: (() => void) | undefined
  const { a, urls } = await startTwo(t, 'between', async (call) => {
    await new Promise<void>((resolve) => (letGo = resolve))
    return call()
  })
  for (const [round, uids] of [['u'], ['v', 'nobody'], ['w']].entries()) {
    const held = a.cluster.push({ uid: uids }, 'held', HOLD)
    await until('it is about to be parked', () => letGo !== undefined)
    const client = await connect(urls[round % 2]!, { uid: uids[0] })
    const later = [
      a.cluster.push({ uid: uids[0]! }, 'later'),
      a.cluster.push({ uid: uids[0]! }, 'named', { id: `${round}` }),
    ]
    letGo!()
    letGo = undefined
    const { nodeCount, offline, held: names } = await held
    assert.deepEqual([nodeCount, offline, names], [1, uids.slice(1), uids.slice(1)])
    await Promise.all(later)
    await client.waitFor(3)
    assert.deepEqual(client.texts, ['held', 'later', 'named'])
  }
})

test('users who connect while pushes to them are made get each held push once, in order', async (t) => {
  const { a, urls } = await startTwo(t, 'races')
  const rounds = Array.from({ length: 40 }, async (_, round) => {
    const uid = `u${round}`
    const texts = Array.from({ length: 6 }, (__, index) => `m${index}`)
    const connecting = connect(urls[round % 2]!, { uid })
    const receipts: unknown[] = []
    for (const text of texts) {
      const push = a.cluster.push({ uid }, text, HOLD).then((receipt) => receipts.push(receipt))
      if (round % 3 > 0) await push
    }
    const client = await connecting
    await until('all pushes are made', () => receipts.length === texts.length)
    const other = await connect(urls[(round + 1) % 2]!, { uid })
    await a.cluster.push({ uid }, 'last')
    await Promise.all([client.waitFor(texts.length + 1), other.waitFor(1)])
    assert.deepEqual(client.texts, [...texts, 'last'])
  })
  await Promise.all(rounds)
})

test('if there is no more room for a user, the receipt says so, and the push is counted as undelivered', async (t) => {
  const { a, urls } = await startTwo(t, 'full')
  const pushes = Array.from({ length: 101 }, (_, index) =>
    a.cluster.push({ uid: ['u', `u${index}`] }, `m${index}`, HOLD),
  )
  const receipts = await Promise.all(pushes)
  assert.deepEqual(receipts[99]!.held, ['u', 'u99'])
  assert.deepEqual([receipts[100]!.offline.toSorted(), receipts[100]!.held], [['u', 'u100'], ['u100']])
  assert.equal(a.stats().undeliveredCount, 1)
  const client = await connect(urls[1], { uid: 'u' })
  await client.waitFor(100)
  assert.deepEqual(
    client.texts,
    Array.from({ length: 100 }, (_, index) => `m${index}`),
  )
})

test('a held push with an id is made once, and a repeat is told who was held', async (t) => {
  const { a, b, urls } = await startTwo(t, 'named')
  const named = { ...HOLD, id: 'order-1' }
  const first = await a.cluster.push({ uid: 'u' }, 'm', named)
  assert.deepEqual(first, { id: 'order-1', nodeCount: 0, offline: ['u'], held: ['u'] })
  const client = await connect(urls[1], { uid: 'u' })
  await client.waitFor(1)
  assert.deepEqual(await b.cluster.push({ uid: 'u' }, 'm', named), first)
  await assert.rejects(b.cluster.push({ uid: 'u' }, 'm', { id: 'order-1' }), { code: 'FLT_ID_REUSED' })
  const many = Array.from({ length: 21 }, (_, index) => `many${index}`)
  const more = { ...HOLD, id: 'order-2', except: { uid: 'many0' } }
  assert.equal((await a.cluster.push({ uid: many }, 'm', more)).held!.length, 20)
  const counted = { id: 'order-2', nodeCount: 0, offline: [], offlineCount: 21, held: [], heldCount: 20 }
  assert.deepEqual(await b.cluster.push({ uid: many }, 'm', more), counted)
  await a.cluster.push({ uid: 'u' }, 'last')
  await client.waitFor(2)
  assert.deepEqual(client.texts, ['m', 'last'])
})

test('a push costs the same calls with hold as without, if all its users are there', async (t) => {
  const { a, urls } = await startTwo(t, 'cost')
  const uids = ['u', 'v']
  const clients = await Promise.all(uids.map((uid) => connect(urls[1], { uid })))
  /** The lookups and appends of a push, and whatever else names a route. */
  const callsOf = async (uid: string | string[], options: PushOptions): Promise<string[]> => {
    const counts = clients.map(({ texts }) => texts.length)
    const calls = await StoreCalls.start(store.url)
    await a.cluster.push({ uid }, 'the text', options)
    await Promise.all(clients.flatMap((client, at) => (uid.includes(uids[at]!) ? client.waitFor(counts[at]! + 1) : [])))
    await calls.stop()
    const isPart = ({ args }: { args: readonly string[] }): boolean => args.some((arg) => /:r:|the text/.test(arg))
    return calls.byClients.filter(isPart).map(({ name }) => name)
  }
  for (const uid of ['u', uids]) {
    await callsOf(uid, HOLD)
    assert.deepEqual(await callsOf(uid, HOLD), await callsOf(uid, {}))
  }
})

test('hold takes whole milliseconds up to a minute, and only a push to users', async (t) => {
  const server = createServer({ modules: [trusting], driver: memory({ isolated: true }), logger: silent })
  await server.listen(0)
  t.after(() => server.close({ timeout: 100 }))
  const push = (target: Target, hold: unknown): Promise<unknown> =>
    server.cluster.push(target, 'x', { hold } as PushOptions)
  for (const hold of [0, -1, 0.5, 60_001, Number.NaN, Infinity, '60', null, true]) {
    await assert.rejects(push({ uid: 'u' }, hold), {
      code: 'FLT_BAD_REQUEST',
      message: 'hold takes whole milliseconds from 1 to 60000',
    })
  }
  for (const target of [{ group: 'g' }, { connection: 'c' }, { all: true }] as const) {
    await assert.rejects(push(target, 1_000), { code: 'FLT_BAD_TARGET', message: /hold is for pushes to users/ })
  }
  assert.deepEqual(((await push({ uid: [] }, 60_000)) as { held: unknown }).held, [])
})

test('a held push whose time is over reaches nobody', async (t) => {
  const driver = memory({ isolated: true })
  const settings = { prefix: 'p', maxInboxBytes: 1_024 * 1_024, ...TIMES }
  const server = createServer({ modules: [trusting], driver, logger: silent, ...settings })
  await server.listen(0)
  const state = driver.state({ ...settings, logger: silent })
  t.after(() => Promise.all([server.close({ timeout: 100 }), state.close()]))
  assert.deepEqual((await server.cluster.push({ uid: 'u' }, 'brief', { hold: 20 })).held, ['u'])
  await server.cluster.push({ uid: 'u' }, 'held', HOLD)
  await until('its time is over', async () => (await state.parkedFor('u' as Uid)).length === 1)
  const client = await connect(server.url!, { uid: 'u' })
  await client.waitFor(1)
  assert.deepEqual(client.texts, ['held'])
})

test("what is found is handed over after what was parked, on the publisher's own node, too", async (t) => {
  const gates: (() => void)[] = []
  const opened = (): Promise<void> => new Promise((resolve) => void gates.push(resolve))
  const driver = driverWith(memory({ isolated: true }), {
    state: (state) => ({
      park: (...args) => opened().then(() => state.park(...args)),
      parkedFor: (uid) => opened().then(() => state.parkedFor(uid)),
    }),
  })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...TIMES })
  await server.listen(0)
  t.after(() => server.close({ timeout: 100 }))
  const pushes = ['parked', 'found'].map((text) => server.cluster.push({ uid: 'u' }, text, HOLD))
  await until('the first is about to be parked', () => gates.length === 1)
  gates[0]!()
  await until('the second is about to be parked', () => gates.length === 2)
  const client = await connect(server.url!, { uid: 'u' })
  await until('the node reads what is parked', () => gates.length === 3)
  gates[1]!()
  await new Promise((resolve) => void setImmediate(resolve))
  assert.deepEqual(client.texts, [])
  gates[2]!()
  await client.waitFor(2)
  assert.deepEqual(client.texts, ['parked', 'found'])
  assert.deepEqual(
    (await Promise.all(pushes)).map(({ held }) => held),
    [['u'], []],
  )
})
