import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import { hostileIds } from '../support/arbitraries.ts'
import { until } from '../support/until.ts'
import { asPushId, calm, type Candidate, CONCURRENCY, newNode, stage } from './stage.ts'

const LONG = 600_000
const fresh = { type: 'fresh', stored: [] }

/** Tests every MUST of `PushIds`. */
export function pushIds(candidate: () => Candidate<unknown, PushIds>): void {
  describe('an idempotency key', { concurrency: CONCURRENCY }, () => {
    // Invariant I1: one of all who push under an id is sent.
    it('is fresh for exactly one of many who ask for it at once, and pending for the others', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => queue().reserve(asPushId('order-1'), 'body', LONG)),
      )
      assert.equal(answers.filter(({ type }) => type === 'fresh').length, 1)
      assert.equal(answers.filter(({ type }) => type === 'pending').length, 5)
    })

    it('answers with the receipt once it was settled, for everyone, and for its time only', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const id = asPushId('order-1')
      const receipt = { id: 'order-1', nodeCount: 2, offline: ['u2', 'ü#"\n'] }
      assert.deepEqual(await one.reserve(id, 'body', LONG), fresh)
      await one.settle(id, 'body', receipt, LONG)
      for (const handle of [one, two]) {
        assert.deepEqual(await handle.reserve(id, 'body', LONG), { type: 'done', receipt })
      }
      const counted = { id: 'order-3', nodeCount: 0, offline: [], offlineCount: 10_000 }
      await one.settle(asPushId('order-3'), 'body', counted, LONG)
      assert.deepEqual(await two.reserve(asPushId('order-3'), 'body', LONG), { type: 'done', receipt: counted })
      const short = asPushId('order-2')
      await one.reserve(short, 'body', 50)
      await one.settle(short, 'body', receipt, 100)
      await until('it lapses', async () => (await two.reserve(short, 'body', 50)).type === 'fresh')
    })

    it('tells another body apart, pending or done', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const id = asPushId('order-1')
      await queue.reserve(id, 'body', LONG)
      assert.deepEqual(await queue.reserve(id, 'other', LONG), { type: 'conflict' })
      await queue.settle(id, 'body', { id: 'order-1', nodeCount: 1, offline: [] }, LONG)
      assert.deepEqual(await queue.reserve(id, 'other', LONG), { type: 'conflict' })
      assert.equal((await queue.reserve(id, 'body', LONG)).type, 'done')
    })

    it('is free again after a failure, and names the nodes that were reached', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const id = asPushId('order-1')
      const [a, b] = [newNode(), newNode()]
      await queue.reserve(id, 'body', LONG)
      await queue.release(id, 'body', [a, b], LONG)
      assert.deepEqual(await queue.reserve(id, 'body', LONG), { type: 'fresh', stored: [a, b] })
      assert.deepEqual(await queue.reserve(id, 'body', LONG), { type: 'pending' })
      await queue.settle(id, 'body', { id: 'order-1', nodeCount: 3, offline: [] }, LONG)
      assert.equal((await queue.reserve(id, 'body', LONG)).type, 'done')
    })

    it('is free again, for any body, after a failure that reached nobody', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const id = asPushId('order-1')
      await queue.reserve(id, 'body', LONG)
      await queue.release(id, 'body', [], LONG)
      assert.deepEqual(await queue.reserve(id, 'other', LONG), fresh)
    })

    it('lapses if it is never settled, and still names the nodes that were reached before', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      await one.reserve(asPushId('held'), 'body', LONG)
      assert.deepEqual(await two.reserve(asPushId('held'), 'body', LONG), { type: 'pending' })
      await one.reserve(asPushId('a'), 'body', 100)
      await until('it lapses', async () => (await two.reserve(asPushId('a'), 'body', LONG)).type === 'fresh')
      const node = newNode()
      await one.reserve(asPushId('b'), 'body', LONG)
      await one.release(asPushId('b'), 'body', [node], LONG)
      await one.reserve(asPushId('b'), 'body', 100)
      await until('it lapses', async () => {
        const reservation = await two.reserve(asPushId('b'), 'body', LONG)
        if (reservation.type === 'fresh') assert.deepEqual(reservation.stored, [node])
        return reservation.type === 'fresh'
      })
    })

    it('stays settled, whoever comes too late with a reservation that has lapsed', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const id = asPushId('late')
      const receipt = { id: 'late', nodeCount: 1, offline: [] }
      await queue.reserve(id, 'body', 30)
      await until('it lapses', async () => (await queue.reserve(id, 'body', LONG)).type === 'fresh')
      await queue.settle(id, 'body', receipt, LONG)
      await queue.release(id, 'body', [], LONG)
      await queue.settle(id, 'body', { ...receipt, nodeCount: 9 }, LONG)
      assert.deepEqual(await queue.reserve(id, 'body', LONG), { type: 'done', receipt })
    })

    it('may be any text, and two texts are two ids', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      for (const id of hostileIds) assert.deepEqual(await queue.reserve(asPushId(id), 'body', LONG), fresh, id)
      for (const id of hostileIds) {
        assert.deepEqual(await queue.reserve(asPushId(id), 'body', LONG), { type: 'pending' }, id)
      }
    })
  })
}
