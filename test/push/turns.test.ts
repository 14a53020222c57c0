import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { parseTarget } from '../../src/envelope/target.ts'
import { defineModule } from '../../src/index.ts'
import { Turns } from '../../src/push/turns.ts'
import { startTestServer } from '../../src/testing.ts'

/** A store in which each claim of an id takes another while. */
function slowClaims(): Driver {
  const driver = memory()
  let count = 0
  return {
    state: driver.state,
    queue(settings) {
      const queue = driver.queue(settings)
      const reserve = queue.reserve.bind(queue)
      queue.reserve = async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, (count++ % 3) * 15))
        return reserve(...args)
      }
      return queue
    },
  }
}

test('pushes with and without an id to one target arrive in the order in which they were made', async (t) => {
  const ws = defineModule('/ws', {
    handshake(ctx) {
      ctx.uid = 'u'
      ctx.groups.add('g')
    },
  })
  const server = await startTestServer({ modules: [ws], driver: slowClaims() })
  t.after(() => server.close())
  const client = await server.connect('/ws')
  const { cluster } = server.server
  const count = 30
  const pushes = Array.from({ length: count }, (_, index) => [
    cluster.push({ uid: 'u' }, `u${index}`, index % 3 === 0 ? { id: `u-${index}` } : {}),
    cluster.push({ group: 'g' }, `g${index}`, index % 4 === 0 ? { id: `g-${index}` } : {}),
    cluster.push({ all: true }, `a${index}`, index % 5 === 0 ? { id: `a-${index}` } : {}),
  ])
  await Promise.all(pushes.flat())
  const received: string[] = []
  while (received.length < 3 * count) received.push(String(await client.next()))
  for (const target of ['u', 'g', 'a']) {
    assert.deepEqual(
      received.filter((text) => text.startsWith(target)),
      Array.from({ length: count }, (_, index) => `${target}${index}`),
    )
  }
})

test('one that cannot be claimed lets the next go', async (t) => {
  const server = await startTestServer({ modules: [defineModule('/ws', {})] })
  t.after(() => server.close())
  const { cluster } = server.server
  await cluster.push({ uid: 'u' }, 'one', { id: 'same' })
  const reused = assert.rejects(cluster.push({ uid: 'u' }, 'another', { id: 'same' }), { code: 'FLT_ID_REUSED' })
  const next = await cluster.push({ uid: 'u' }, 'next')
  assert.deepEqual(next.offline, ['u'])
  await reused
})

test('turns of other targets do not wait, and nothing is remembered once all have begun', async () => {
  const turns = new Turns()
  const first = turns.take(parseTarget({ uid: ['a', 'b'] }))
  const second = turns.take(parseTarget({ uid: ['b', 'c'] }))
  const third = turns.take(parseTarget({ group: 'b' }))
  assert.equal(first.begun, undefined)
  assert.equal(third.begun, undefined)
  let hasBegun = false
  const begun = second.begun?.then(() => (hasBegun = true))
  await Promise.resolve()
  assert.equal(hasBegun, false)
  first.end()
  await begun
  for (const turn of [second, third]) turn.end()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(turns.areFree, true)
})

test('one that ends before its turn lets nobody overtake those before it', async () => {
  const turns = new Turns()
  const [first, failing, last] = Array.from({ length: 3 }, () => turns.take(parseTarget({ all: true })))
  let hasBegun = false
  const begun = last!.begun?.then(() => (hasBegun = true))
  failing!.end()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(hasBegun, false)
  const later = turns.take(parseTarget({ all: true }))
  assert.notEqual(later.begun, undefined)
  first!.end()
  await begun
  assert.equal(hasBegun, true)
})
