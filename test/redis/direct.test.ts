import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { DriverSettings } from '../../src/drivers/driver.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { State } from '../../src/drivers/state.ts'
import { type NodeId, partitionOf } from '../../src/envelope/ids.ts'
import { bytesOf, fill, Inbox } from '../contracts/inboxes/words.ts'
import { memberHere, userHere } from '../contracts/routes/words.ts'
import { asGroup, asUid, calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { Host } from '../fuzz/cluster/host.ts'
import { connect, type TestClient } from '../support/connect.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

/** ms. It is long, so that calls of heartbeats are not counted among those of pushes. */
const HEARTBEAT = 60_000
const U = { type: 'user', uid: asUid('u') } as const
const G = { type: 'group', group: asGroup('g') } as const

const server = new SuiteRedis()

async function startHosts(t: TestContext, prefix: string, count: number): Promise<Host[]> {
  const driver = redis({ url: server.url })
  const names = Array.from({ length: count }, (_, n) => `n${n}`)
  const hosts = await Promise.all(names.map((name) => Host.start(driver, prefix, name, HEARTBEAT)))
  t.after(() => Promise.all(hosts.map((host) => host.server.close({ timeout: 100 }))))
  return hosts
}

/** The calls that the store gets from a push until its receivers have it. */
async function callsOf(push: () => Promise<unknown>, receivers: readonly TestClient[]): Promise<StoreCalls> {
  const counts = receivers.map(({ texts }) => texts.length)
  const calls = await StoreCalls.start(server.url)
  await push()
  await Promise.all(receivers.map((client, index) => client.waitFor(counts[index]! + 1)))
  await calls.stop()
  return calls
}

const lookups = ({ byClients }: StoreCalls): number => byClients.filter(({ name }) => name === 'mget').length
const carriers = ({ byClients }: StoreCalls, text: string): number =>
  byClients.filter(({ args }) => args.some((arg) => arg.includes(text))).length

test('a push alone costs one call, to a user as to a group, whether here or elsewhere', async (t) => {
  const [a, b, c] = (await startHosts(t, 'alone', 3)) as [Host, Host, Host]
  const clients = await Promise.all([a, b, c].map(({ url }, n) => connect(url, { uid: `u${n}`, groups: ['g'] })))
  const cases: readonly [unknown, readonly TestClient[], number][] = [
    [{ uid: 'u1' }, [clients[1]!], 1],
    [{ group: 'g' }, clients, 1],
    [{ uid: 'u0' }, [clients[0]!], 1],
  ]
  const { cluster } = a.server
  // After this, Redis has the script. The epochs of the partitions are known from the start.
  await cluster.push({ uid: 'nobody' }, 'anybody?')
  for (const [n, [target, receivers, count]] of cases.entries()) {
    const calls = await callsOf(() => cluster.push(target as { uid: string }, `text ${n}`), receivers)
    assert.equal(lookups(calls), 0)
    assert.equal(carriers(calls, `text ${n}`), count)
    for (const { texts } of receivers) assert.equal(texts.at(-1), `text ${n}`)
  }
  const nobody = await cluster.push({ uid: 'nobody' }, 'anybody?')
  assert.deepEqual(nobody.offline, ['nobody'])
  for (const client of clients) client.socket.terminate()
})

// Invariant D3: a push goes directly only if it has nobody beside it.
test('pushes of one moment go together, and everything keeps its order', async (t) => {
  const [a, b] = (await startHosts(t, 'order', 2)) as [Host, Host]
  const client = await connect(b.url, { uid: 'u', groups: ['g'] })
  const texts: string[] = []
  for (let round = 0; round < 60; round++) {
    const pushes = Array.from({ length: 1 + (round % 3) }, (_, n) => {
      texts.push(`${round}.${n}`)
      return a.server.cluster.push({ uid: 'u' }, `${round}.${n}`)
    })
    // Some rounds begin while the one before is still under way.
    if (round % 4 === 0) await Promise.all(pushes)
    else await new Promise((resolve) => void setImmediate(resolve))
  }
  await client.waitFor(texts.length)
  assert.deepEqual(client.texts, texts)
  client.socket.terminate()
})

test('a driver whose inboxes lie elsewhere, or whose appends have to be replicated, has no direct way', async (t) => {
  const drivers = [redis({ url: 'redis+cluster://127.0.0.1:1' }), redis({ url: server.url, durability: 'replicated' })]
  for (const driver of drivers) assert.equal(stage(t, { driver }, calm).state().appendWhereFound, undefined)
})

// ---- the promises of `appendWhereFound`

interface Parts {
  readonly settings: DriverSettings
  readonly state: State
  readonly queue: Queue
  readonly self: NodeId
  readonly other: NodeId
  /** The inbox of the other node, with everything that it received. */
  readonly inbox: Inbox
  append(seq: number, text: string, target?: typeof U | typeof G): ReturnType<NonNullable<State['appendWhereFound']>>
}

async function startParts(t: TestContext, maxInboxBytes = 1_000): Promise<Parts> {
  const parts = stage(t, { driver: redis({ url: server.url }) }, { ...calm, maxInboxBytes })
  const { settings } = parts
  const [state, queue] = [parts.state(), parts.queue()]
  const [self, other] = [await joined(state), await joined(state)]
  await Promise.all([queue.open(self), queue.open(other)])
  const inbox = new Inbox()
  const stop = queue.consume(other, inbox.handler)
  t.after(stop)
  const append: Parts['append'] = (seq, text, target = U) =>
    state.appendWhereFound!(target, { publisher: 'p', seq, bytes: bytesOf(text) }, self)
  return { settings, state, queue, self, other, inbox, append }
}

test('it appends to every inbox but that of its own node, and stores the stamp with the batch', async (t) => {
  const { state, self, other, inbox, append } = await startParts(t)
  const connection = newConnection('u')
  for (const node of [self, other]) await state.apply(node, [userHere('u', [connection]), memberHere('g', connection)])
  const located = await state.locate({ uids: [U.uid], groups: [G.group], connections: [] })
  const [user, group] = [located.uids[0]!, located.groups[0]!]
  assert.deepEqual(await append(1, 'm1'), { stamp: user.stamp, nodes: user.nodes })
  const toGroup = await append(2, 'm2', G)
  assert.deepEqual([toGroup?.stamp, toGroup?.nodes.toSorted()], [group.stamp, [self, other].toSorted()])
  await inbox.received(2)
  assert.deepEqual(inbox.texts, ['m1', 'm2'])
  assert.deepEqual(
    inbox.entries.map(({ stamp }) => stamp),
    [user.stamp, group.stamp],
  )
})

test('called twice, or too late, it appends once', async (t) => {
  const { state, other, inbox, append } = await startParts(t)
  await state.apply(other, [userHere('u')])
  const first = await append(2, 'm2')
  assert.deepEqual(await append(2, 'm2'), first)
  assert.equal(await append(1, 'm1'), undefined)
  await append(3, 'm3')
  await inbox.received(2)
  assert.deepEqual(inbox.texts, ['m2', 'm3'])
})

test('a batch that it left to the usual way is not appended later', async (t) => {
  const { state, self, other, inbox, append, queue } = await startParts(t, 100)
  await state.apply(other, [userHere('u')])
  assert.ok((await fill(() => queue.publish(self, bytesOf('x'.repeat(60))), 60)) > 0)
  await state.apply(self, [memberHere('g', newConnection())])
  await state.apply(other, [memberHere('g', newConnection())])
  // One of the two inboxes is full, so the batch does not go to the other one either.
  const { appendWhereFound } = state
  const batch = { publisher: 'q', seq: 1, bytes: bytesOf('y'.repeat(60)) }
  assert.equal(await appendWhereFound!(G, batch, undefined), undefined)
  assert.equal(await appendWhereFound!(G, batch, self), undefined)
  await append(1, 'last')
  await inbox.received(1)
  assert.deepEqual(inbox.texts, ['last'])
})

test('if a partition was lost, it answers nothing', async (t) => {
  const { state, other, inbox, append, settings } = await startParts(t)
  await state.apply(other, [userHere('u')])
  await append(1, 'before')
  await inbox.received(1)
  await server.raw.del(new Keys(settings.prefix).epoch(partitionOf('u')))
  assert.equal(await append(2, 'after'), undefined)
})
