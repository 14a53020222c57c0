import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Reservation } from '../../src/drivers/push-ids.ts'
import { type Meddler, outcomeOf, type PushStage, startPusher, type StoreCall } from './stage.ts'

/** A store in which some calls wait until they are let go, or are answered by hand. */
async function start(t: TestContext, ...names: StoreCall[]): Promise<PushStage & { go(answer?: Reservation): void }> {
  const waiting: ((answer?: Reservation) => void)[] = []
  const held = new Set(names)
  const meddle: Meddler = async (name, call) => {
    if (!held.has(name)) return call()
    const answer = await new Promise<Reservation | undefined>((resolve) => void waiting.push(resolve))
    return answer === undefined ? call() : (answer as never)
  }
  const stage = await startPusher(meddle, false)
  t.after(() => stage.close())
  return { ...stage, go: (answer) => waiting.shift()!(answer) }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => void setImmediate(resolve))
}

test('while an id is reserved, pushes to other targets go, and to the same one they wait', async (t) => {
  const { pusher, log, go } = await start(t, 'reserve')
  const slow = [pusher.push({ uid: 'u1' }, 'one', { id: 'one' }), pusher.push({ uid: 'u1' }, 'two')]
  const others = [{ uid: 'u2' }, { group: 'g' }, { all: true }] as const
  await Promise.all(others.map((target) => pusher.push(target, 'x')))
  await turns()
  const before = log.length
  assert.equal(before, 4, 'the group is on two nodes')
  go()
  await Promise.all(slow)
  const texts = log
    .slice(before)
    .map(({ envelope }) => envelope.type === 'push' && Buffer.from(envelope.payload.data).toString())
  assert.deepEqual(texts, ['one', 'two'])
})

test('the answer to an id that was used before does not wait for the lookup; its room is free after that', async (t) => {
  const { pusher, log, go } = await start(t, 'locate')
  const first = pusher.push({ uid: 'u1' }, 'x', { id: 'one' })
  await turns()
  go()
  const receipt = await first
  assert.deepEqual(await pusher.push({ uid: 'u1' }, 'x', { id: 'one' }), receipt)
  await assert.rejects(pusher.push({ uid: 'u1' }, 'y', { id: 'one' }), { code: 'FLT_ID_REUSED' })
  assert.ok(pusher.backpressure.bytes > 0, 'they are still being looked up')
  for (let lookup = 0; lookup < 2; lookup++) {
    go()
    await pusher.push({ all: true }, 'meanwhile')
    await turns()
  }
  assert.deepEqual([pusher.backpressure.bytes, log.length], [0, 3])
})

test('nodes that have a push from an earlier attempt do not get it again', async (t) => {
  const { pusher, nodes, log, go } = await start(t, 'reserve')
  const push = pusher.push({ uid: 'u12' }, 'x', { id: 'one' })
  await turns()
  go({ type: 'fresh', stored: [nodes[1]] })
  assert.equal((await push).nodeCount, 2)
  assert.deepEqual(
    log.map(({ inbox }) => inbox),
    [nodes[2]],
  )
})

test('an id whose push could not be looked up is free again once it is reserved', async (t) => {
  const calls: StoreCall[] = []
  let isAway = true
  let reservation!: () => void
  const stage = await startPusher(async (name, call) => {
    calls.push(name)
    if (name === 'reserve' && isAway) await new Promise<void>((resolve) => (reservation = resolve))
    if (name === 'locate' && isAway) throw new Error('away')
    return call()
  }, false)
  t.after(() => stage.close())
  const push = outcomeOf(stage.pusher.push({ uid: 'u1' }, 'x', { id: 'one' }))
  await turns()
  reservation()
  assert.equal(await push, 'away')
  assert.deepEqual(calls, ['reserve', 'locate', 'release'])
  isAway = false
  assert.equal((await stage.pusher.push({ uid: 'u1' }, 'x', { id: 'one' })).nodeCount, 1)
})
