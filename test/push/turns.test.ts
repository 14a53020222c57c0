import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Target } from '../../src/api.ts'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { Reservation } from '../../src/drivers/push-ids.ts'
import { type ParsedTarget, parseTarget } from '../../src/envelope/target.ts'
import { defineModule } from '../../src/index.ts'
import type { Dispatch } from '../../src/push/dispatch.ts'
import { PendingReservation } from '../../src/push/pending-reservation.ts'
import { Turns } from '../../src/push/turns.ts'
import { startTestServer } from '../../src/testing.ts'

/** A store in which reservations take different times. */
function slowReservations(): Driver {
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

// Invariant D4: pushes to one target begin in the order in which they were made.
test('pushes with and without an id to one target arrive in the order in which they were made', async (t) => {
  const ws = defineModule('/ws', {
    handshake(ctx) {
      ctx.uid = 'u'
      ctx.groups.add('g')
    },
  })
  const server = await startTestServer({ modules: [ws], driver: slowReservations() })
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

test('one that cannot be reserved lets the next go', async (t) => {
  const server = await startTestServer({ modules: [defineModule('/ws', {})] })
  t.after(() => server.close())
  const { cluster } = server.server
  await cluster.push({ uid: 'u' }, 'one', { id: 'same' })
  const reused = assert.rejects(cluster.push({ uid: 'u' }, 'another', { id: 'same' }), { code: 'FLT_ID_REUSED' })
  const next = await cluster.push({ uid: 'u' }, 'next')
  assert.deepEqual(next.offline, ['u'])
  await reused
})

/** Takes turns for pushes whose reservations are answered by hand. */
class Stage {
  readonly begun: string[] = []
  readonly #turns = new Turns()

  take(name: string, target: Target, reservation?: PendingReservation, isFirstCopy = true): void {
    const dispatch = { target: parseTarget(target), isFirstCopy, reservation } as Dispatch<ParsedTarget>
    this.#turns.take({ dispatch, begin: () => void this.begun.push(name) })
  }

  /** Returns a reservation, and a function that answers it. */
  reservation(): { reservation: PendingReservation; answer: () => Promise<void> } {
    let resolve!: (reserved: Reservation) => void
    const reservation = new PendingReservation(new Promise((settle) => (resolve = settle)))
    const answer = async (): Promise<void> => {
      resolve({ type: 'fresh', stored: [] })
      await new Promise((turn) => void setImmediate(turn))
    }
    return { reservation, answer }
  }
}

test('turns of other targets do not wait, and nothing is remembered once all have begun', async () => {
  const stage = new Stage()
  const { reservation, answer } = stage.reservation()
  stage.take('first', { uid: ['a', 'b'] }, reservation)
  stage.take('second', { uid: ['b', 'c'] })
  stage.take('third', { group: 'b' })
  stage.take('behind the second', { uid: 'c' })
  stage.take('everyone', { all: true })
  assert.deepEqual(stage.begun, ['third', 'everyone'])
  await answer()
  assert.deepEqual(stage.begun.slice(2), ['first', 'second', 'behind the second'])
  for (const uid of ['a', 'b', 'c']) stage.take(uid, { uid })
  assert.deepEqual(stage.begun.slice(5), ['a', 'b', 'c'])
})

test('one whose reservation is answered before its turn overtakes nobody, nor do those behind it', async () => {
  const stage = new Stage()
  const [first, second] = [stage.reservation(), stage.reservation()]
  stage.take('first', { all: true }, first.reservation)
  stage.take('second', { all: true }, second.reservation)
  stage.take('third', { all: true })
  await second.answer()
  stage.take('fourth', { all: true })
  assert.deepEqual(stage.begun, [])
  await first.answer()
  assert.deepEqual(stage.begun, ['first', 'second', 'third', 'fourth'])
})

test('one whose reservation is answered already does not wait, and what is no first copy never does', async () => {
  const stage = new Stage()
  const { reservation, answer } = stage.reservation()
  await answer()
  stage.take('answered', { uid: 'a' }, reservation)
  stage.take('asked', { uid: 'a' }, stage.reservation().reservation)
  stage.take('behind it', { uid: 'a' })
  stage.take('a copy', { uid: 'a' }, undefined, false)
  assert.deepEqual(stage.begun, ['answered', 'a copy'])
})
