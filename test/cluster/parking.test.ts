import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { NodeId, Uid } from '../../src/envelope/ids.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { elapse, until } from '../support/until.ts'
import { connectionsOf, DEAD_AFTER, push, startFleet, untilGone } from './fleet.ts'
import { driverWith, pushesTo, trusting } from './words.ts'

test('pushes to a dead node arrive when their users come back', async (t) => {
  const { a, b, c, connect } = await startFleet(t)
  const phone = await connect(a, { uid: 'u', groups: ['g'] })
  const other = await connect(b, { uid: 'other', groups: ['g'] })
  a.pause()
  // All at once, so that the last is stored before the node counts as dead.
  const messages = Array.from({ length: 5 }, (_, index) => ({ uid: 'u', message: `m${index}` }))
  const answers = await Promise.all([...messages, { group: 'g', message: 'to the group' }].map((each) => push(b, each)))
  for (const { offline } of answers) assert.deepEqual(offline, [])
  await a.kill9()
  phone.socket.terminate()
  await untilGone(c, a)
  await elapse(2 * DEAD_AFTER)
  const back = await connect(c, { uid: 'u' })
  await until('they have come', () => back.received.length >= 6)
  assert.deepEqual(back.received.map(String).toSorted(), ['m0', 'm1', 'm2', 'm3', 'm4', 'to the group'])
  assert.deepEqual(other.received.map(String), ['to the group'])
  // A connection that comes later does not get the parked messages again.
  const again = await connect(b, { uid: 'u' })
  await push(b, { uid: 'u', message: 'last' })
  await until('the last has come', () => again.received.includes('last'))
  assert.deepEqual(again.received, ['last'])
  assert.equal((await connectionsOf(b, 'u')).length, 2)
})

test('what was parked for the users of a sleeping node reaches them when it wakes, whatever it writes first', async (t) => {
  const { a, b, connect } = await startFleet(t)
  const uids = Array.from({ length: 20 }, (_, index) => `u${index}`)
  const clients = await Promise.all(uids.map((uid) => connect(a, { uid })))
  a.pause()
  // Only a few pushes, so that the last is stored before the node counts as dead.
  for (const message of ['m0', 'm1', 'm2']) assert.deepEqual((await push(b, { uid: uids, message })).offline, [])
  await untilGone(b, a)
  // When the node wakes, the new connections in its sockets make it write these users again before all the others.
  await Promise.all(clients.map((_, index) => connectLater(index)))
  a.resume()
  await Promise.all(clients.map((client) => client.waitFor(3)))
  for (const client of clients) assert.deepEqual(client.texts.slice(0, 3), ['m0', 'm1', 'm2'])

  /** A second connection of the user, which the sleeping node sees only when it wakes. */
  async function connectLater(index: number): Promise<void> {
    void connect(a, { uid: `u${index}` }).catch(() => {})
    await elapse(1)
  }
})

test('a parked push is kept for a user who is gone again by the time it has been read', async (t) => {
  const settings = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000, storeWait: 5_000, maxInboxBytes: 1_024 * 1_024 }
  const store = memory()
  let readCount = 0
  let letGo = (): void => {}
  const driver = driverWith(store, {
    state: (state) => ({
      parkedFor: async (uid) => {
        const messages = await state.parkedFor(uid)
        if (++readCount === 1) await new Promise<void>((resolve) => (letGo = resolve))
        return messages
      },
    }),
  })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...settings })
  const url = await server.listen(0)
  const queue = store.queue({ ...settings, logger: silent })
  t.after(async () => {
    await server.close({ timeout: 100 })
    await queue.close()
  })
  await queue.publish(server.cluster.self as NodeId, pushesTo(['u'], 'm1'))
  const state = store.state({ ...settings, logger: silent })
  await until('it is parked', async () => (await state.parkedFor('u' as Uid)).length === 1)
  const brief = await connect(`${url}/ws?uid=u`)
  await until('it was read', () => readCount === 1)
  brief.close()
  await until('the user has gone', async () => !(await server.cluster.isOnline('u')))
  letGo()
  await elapse(100)
  const back = await connect(`${url}/ws?uid=u`)
  t.after(() => back.close())
  await until('it has come', () => back.received.length === 1)
  assert.deepEqual(back.received, ['m1'])
})
