import assert from 'node:assert/strict'
import { test } from 'node:test'
import { elapse, until } from '../support/until.ts'
import { connectionsOf, DEAD_AFTER, push, startFleet, untilGone } from './fleet.ts'

test('pushes that a dead node took arrive when their users come back, however many they are', async (t) => {
  const { a, b, c, connect } = await startFleet(t)
  const phone = await connect(a, { uid: 'u', groups: ['g'] })
  const other = await connect(b, { uid: 'other', groups: ['g'] })
  a.pause()
  const ids: string[] = []
  for (let index = 0; index < 5; index++) {
    const answer = await push(b, { uid: 'u', message: `m${index}` })
    assert.deepEqual(answer.offline, [])
    ids.push(answer.id)
  }
  await push(b, { group: 'g', message: 'to the group' })
  await a.kill9()
  phone.socket.terminate()
  await untilGone(c, a)
  await elapse(2 * DEAD_AFTER)
  const back = await connect(c, { uid: 'u' })
  await until('they have come', () => back.received.length >= 6)
  assert.deepEqual(back.received.map(String).toSorted(), ['m0', 'm1', 'm2', 'm3', 'm4', 'to the group'])
  assert.deepEqual(other.received.map(String), ['to the group'])
  // What was handed out is not handed out again.
  const again = await connect(b, { uid: 'u' })
  await push(b, { uid: 'u', message: 'last' })
  await until('the last has come', () => again.received.includes('last'))
  assert.deepEqual(again.received, ['last'])
  assert.equal((await connectionsOf(b, 'u')).length, 2)
})

test('what was parked for the users of a node that slept reaches them when it wakes, whatever it writes first', async (t) => {
  const { a, b, connect } = await startFleet(t)
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => connect(a, { uid: `u${index}` })))
  a.pause()
  for (let round = 0; round < 3; round++) {
    for (const [index] of clients.entries()) await push(b, { uid: `u${index}`, message: `m${round}` })
  }
  await untilGone(b, a)
  // What it finds in its sockets when it wakes has users written again before all the others are.
  await Promise.all(clients.map((_, index) => connectLater(index)))
  a.resume()
  await Promise.all(clients.map((client) => client.waitFor(3)))
  for (const client of clients) assert.deepEqual(client.texts.slice(0, 3), ['m0', 'm1', 'm2'])

  /** A second connection of the same user, which the sleeping node will only see when it wakes. */
  async function connectLater(index: number): Promise<void> {
    void connect(a, { uid: `u${index}` }).catch(() => {})
    await elapse(1)
  }
})
