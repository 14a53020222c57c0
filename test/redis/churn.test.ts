import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { Change } from '../../src/drivers/routes.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { memberHere, userHere } from '../contracts/routes/words.ts'
import { calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { Host } from '../fuzz/cluster/host.ts'
import { connect, type TestClient } from '../support/connect.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

/** ms. It is long, so that calls of heartbeats are not counted among those for users. */
const HEARTBEAT = 60_000
const PARTITIONS = 256

const server = new SuiteRedis()

async function startHosts(t: TestContext, prefix: string, count: number, heartbeat = HEARTBEAT): Promise<Host[]> {
  const driver = redis({ url: server.url })
  const names = Array.from({ length: count }, (_, n) => `n${n}`)
  const hosts = await Promise.all(names.map((name) => Host.start(driver, prefix, name, heartbeat)))
  t.after(async () => {
    for (const { plug } of hosts) plug.letGo()
    await Promise.all(hosts.map((host) => host.server.close({ timeout: 100 })))
  })
  return hosts
}

async function connectAll(host: Host, uids: readonly string[], groups: readonly string[]): Promise<TestClient[]> {
  return Promise.all(uids.map((uid) => connect(host.url, { uid, groups })))
}

async function memberCount({ server: { cluster } }: Host, group: string): Promise<number> {
  return (await cluster.members(group, { limit: 1 })).memberCount
}

function named(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`)
}

function appendsIn({ byScripts }: StoreCalls): number {
  return byScripts.filter(({ name }) => name === 'xadd').length
}

test('a push to a group that somebody has just left on every node is appended once for each', async (t) => {
  const nodes = 6
  const pushes = 5
  const hosts = await startHosts(t, 'left', nodes)
  const [leaving, staying] = await Promise.all(
    ['leaves', 'stays'].map((kind) =>
      Promise.all(hosts.map(async (host, n) => (await connectAll(host, [`${kind}${n}`], ['g']))[0]!)),
    ),
  )
  for (const client of leaving!) client.socket.terminate()
  await until('the store knows', async () => (await memberCount(hosts[0]!, 'g')) === nodes)
  const calls = await StoreCalls.start(server.url)
  for (let n = 0; n < pushes; n++) await hosts[0]!.server.cluster.push({ group: 'g' }, `m${n}`)
  await Promise.all(staying!.map((client) => client.waitFor(pushes)))
  await calls.stop()
  assert.equal(appendsIn(calls), pushes * (nodes - 1))
  for (const client of staying!) client.socket.terminate()
})

test('many who leave a group at once while pushes to it are on their way cost a few calls each, and miss nothing', async (t) => {
  const members = 600
  const pushes = 40
  const [a, b] = (await startHosts(t, 'mass', 2)) as [Host, Host]
  const uids = named('u', members)
  const leaving = await connectAll(a, uids, ['g'])
  await until('the store knows', async () => (await memberCount(b, 'g')) === members)
  a.plug.hold()
  const texts = named('m', pushes)
  for (const text of texts) await b.server.cluster.push({ group: 'g' }, text)
  const calls = await StoreCalls.start(server.url)
  for (const client of leaving) client.socket.terminate()
  await until('all have gone', async () => (await memberCount(b, 'g')) === 0)
  a.plug.letGo()
  const [first, last] = await Promise.all([uids[0]!, uids.at(-1)!].map((uid) => connect(b.url, { uid })))
  await Promise.all([first!.waitFor(pushes), last!.waitFor(pushes)])
  await calls.stop()
  assert.deepEqual([first!.texts, last!.texts], [texts, texts])
  assert.ok(calls.byClients.length <= 3 * members, `${calls.byClients.length} calls`)
  const copies = calls.byScripts.filter(({ name, args }) => name === 'hset' && args[1] === 'bytes').length
  assert.ok(copies <= pushes * PARTITIONS, `${copies} copies of ${pushes} messages`)
  for (const client of [first!, last!]) client.socket.terminate()
})

/** Joins a node with these users and an inbox that nobody reads. */
async function startGhost(t: TestContext, prefix: string, changes: readonly Change[]): Promise<NodeId> {
  const driver = redis({ url: server.url })
  const settings = { ...stage(t, { driver }, calm).settings, prefix }
  const [one, queue] = [driver.state(settings), driver.queue(settings)]
  t.after(() => Promise.all([one.close(), queue.close()]))
  const ghost = await joined(one, 'ghost')
  await queue.open(ghost)
  for (let start = 0; start < changes.length; start += 1_000)
    await one.apply(ghost, changes.slice(start, start + 1_000))
  return ghost
}

/** How many calls a takeover makes, without those that clean up after the node. */
function callsAfterUsers({ byClients }: StoreCalls, ghost: NodeId): number {
  return byClients.filter(({ args }) => !args.some((arg) => arg.includes(ghost))).length
}

// Invariant D8: a dead node's push to a group goes to those who were in it there, too.
test('pushes that a dead node took cost a fifth of a call each, whether their users are elsewhere or nowhere', async (t) => {
  const [a, b] = (await startHosts(t, 'took', 2)) as [Host, Host]
  const uids = named('u', 4_000)
  const ghost = await startGhost(
    t,
    'took',
    uids.map((uid) => userHere(uid, [newConnection(uid)])),
  )
  await Promise.all(uids.map((uid) => a.server.cluster.push({ uid }, `for ${uid}`)))
  const elsewhere = await connectAll(b, uids.slice(0, 200), [])
  const calls = await StoreCalls.start(server.url)
  await a.server.cluster.evict(ghost)
  await Promise.all(elsewhere.map((client) => client.waitFor(1)))
  await calls.stop()
  const count = callsAfterUsers(calls, ghost)
  assert.ok(count <= uids.length / 5, `${count} calls`)
  const back = await connect(b.url, { uid: uids.at(-1)! })
  await back.waitFor(1)
  assert.deepEqual(back.texts, [`for ${uids.at(-1)}`])
  for (const client of [...elsewhere, back]) client.socket.terminate()
})

// Invariant N9: every step of a takeover is safe twice.
test('a node that takes over after one that died during its takeover still knows who was in the groups', async (t) => {
  const [a, b] = (await startHosts(t, 'twice', 2, 500)) as [Host, Host]
  const connection = newConnection('u')
  const ghost = await startGhost(t, 'twice', [userHere('u', [connection]), memberHere('g', connection)])
  await b.server.cluster.push({ group: 'g' }, 'to the group')
  a.plug.haltAfter('unlist', 5_000)
  void a.server.cluster.evict(ghost).catch(() => {})
  await until('it is listed nowhere', async () => (await memberCount(b, 'g')) === 0)
  await a.kill()
  const back = await connect(b.url, { uid: 'u' })
  await back.waitFor(1)
  assert.deepEqual(back.texts, ['to the group'])
  back.socket.terminate()
})

// Invariant P4: the bytes are stored once for each partition.
test('pushes to a group whose members were all on a dead node wait for them in each partition once', async (t) => {
  const [a] = (await startHosts(t, 'room', 1)) as [Host]
  const uids = named('u', 2_000)
  const ghost = await startGhost(
    t,
    'room',
    uids.flatMap((uid) => {
      const connection = newConnection(uid)
      return [userHere(uid, [connection]), memberHere('g', connection)]
    }),
  )
  const texts = named('m', 10)
  for (const text of texts) await a.server.cluster.push({ group: 'g' }, text)
  const calls = await StoreCalls.start(server.url)
  await a.server.cluster.evict(ghost)
  await calls.stop()
  const count = callsAfterUsers(calls, ghost)
  assert.ok(count <= 3 * PARTITIONS, `${count} calls`)
  const back = await connect(a.url, { uid: uids[7]! })
  await back.waitFor(texts.length)
  assert.deepEqual(back.texts, texts)
  back.socket.terminate()
})
