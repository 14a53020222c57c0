import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { NodeId, PushId, Uid } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { until } from '../support/until.ts'
import { driverWith, pushesTo, trusting } from './words.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000, storeWait: 60_000, maxInboxBytes: 1_024 * 1_024 }
const UID = 'u' as Uid

/** Two nodes, and a user for whom a push is parked and who comes to the first node. */
async function startStage(
  t: TestContext,
  answer: (read: () => ReturnType<State['parkedFor']>) => ReturnType<State['parkedFor']>,
) {
  const store = memory()
  const driver = driverWith(store, {
    state: (state) => ({ parkedFor: (uid) => answer(() => state.parkedFor(uid)) }),
  })
  const here = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const there = createServer({ modules: [trusting], driver: store, logger: silent, ...SETTINGS })
  const [url] = await Promise.all([here.listen(0), there.listen(0)])
  const state = store.state({ ...SETTINGS, logger: silent })
  const queue = store.queue({ ...SETTINGS, logger: silent })
  const push = { type: 'push', id: 'p0' as PushId, payload: encodePayload('parked'), hops: 0, resent: true } as const
  const to = { type: 'users', users: [] } as const
  const envelope = { ...push, to, except: undefined, key: undefined }
  const bytes = binaryCodec.encode({ publisher: '', seq: 0, envelopes: [envelope] })
  await state.park([{ id: push.id, bytes, users: [{ uid: UID, stamp: 1 }] }], undefined)
  const [client, other] = await Promise.all([connect(`${url}/ws?uid=${UID}`), connect(`${url}/ws?uid=other`)])
  t.after(async () => {
    client.close()
    other.close()
    await Promise.all([here.close({ timeout: 100 }), there.close({ timeout: 100 })])
    await Promise.all([state.close(), queue.close()])
  })
  return { here, there, queue, client, other }
}

// Invariant P5: parked messages come before those that are pushed later.
test('pushes to a user who is being handed what was parked come after it', async (t) => {
  let letGo!: () => void
  const asked = new Promise<void>((resolve) => (letGo = resolve))
  const { here, there, client, other } = await startStage(t, (read) => asked.then(read))
  await there.cluster.push({ uid: [UID, 'other'] }, 'over the store')
  const local = here.cluster.push({ uid: [UID, 'other'] }, 'from this node')
  await until('the other user has both', () => other.received.length === 2)
  assert.deepEqual(client.received, [])
  letGo()
  await local
  await until('all is there', () => client.received.length === 3)
  assert.equal(client.received[0], 'parked')
})

test('pushes wait for what is parked no longer than for the first attempt to read it', async (t) => {
  let attempts = 0
  let letGo!: () => void
  const asked = new Promise<void>((resolve) => (letGo = resolve))
  const { there, client } = await startStage(t, (read) => {
    if (attempts++ === 0) throw new Error('the store has other things to do')
    return asked.then(read)
  })
  await there.cluster.push({ uid: UID }, 'over the store')
  await until('it is there', () => client.received.length > 0)
  letGo()
  await until('all is there', () => client.received.length === 2)
  assert.deepEqual(client.received, ['over the store', 'parked'])
})

test('a copy that another node sends after a user who is being handed what was parked comes after it', async (t) => {
  let letGo!: () => void
  const asked = new Promise<void>((resolve) => (letGo = resolve))
  const { here, queue, client, other } = await startStage(t, (read) => asked.then(read))
  await queue.publish(here.cluster.self as NodeId, pushesTo([UID, 'other'], 'resent', { resent: true }))
  await until('the other user has it', () => other.received.length === 1)
  assert.deepEqual(client.received, [])
  letGo()
  await until('all is there', () => client.received.length === 2)
  assert.deepEqual(client.received, ['parked', 'resent'])
})
