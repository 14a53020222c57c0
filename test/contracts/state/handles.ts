import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { State } from '../../../src/drivers/state.ts'
import { appendOf, mailbox } from '../log/words.ts'
import { liveNodes } from '../nodes/words.ts'
import { memberHere, userHere, whereIs } from '../routes/words.ts'
import { asGroup, asUid, calm, type Candidate, CONCURRENCY, joined, newConnection, stage } from '../stage.ts'

export function handles(candidate: () => Candidate<State>): void {
  describe('a handle', { concurrency: CONCURRENCY }, () => {
    it('never sees what stands under another prefix', async (t) => {
      const [left, right] = [stage(t, candidate(), calm).state(), stage(t, candidate(), calm).state()]
      const node = await joined(left)
      await left.apply(node, [userHere('u1'), memberHere('g1', newConnection())])
      await joined(right)
      assert.ok(!(await liveNodes(right)).includes(node))
      assert.deepEqual(await whereIs(right, 'u1'), [])
      assert.equal((await right.members(asGroup('g1'), 10)).memberCount, 0)
    })

    it('answers a ping', async (t) => {
      await stage(t, candidate(), calm).state().ping(5_000)
    })

    it('answers what is under way when it is closed, or rejects it with FLT_CLOSED', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      const calls = Array.from({ length: 50 }, (_, index) => one.apply(node, [userHere(`u${index}`)]))
      const settled = Promise.allSettled(calls)
      await one.close()
      for (const result of await settled) {
        if (result.status === 'rejected') assert.equal((result.reason as { code?: string }).code, 'FLT_CLOSED')
      }
    })

    it('closes twice, refuses calls then with FLT_CLOSED, and leaves others open', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const node = await joined(one)
      await one.close()
      await one.close()
      const closed = { name: 'FlotillaError', code: 'FLT_CLOSED' }
      await assert.rejects(one.nodes(), closed)
      await assert.rejects(one.renew(node, 0), closed)
      await assert.rejects(one.apply(node, [userHere('u1')]), closed)
      await assert.rejects(one.locate({ uids: [asUid('u1')], groups: [], connections: [] }), closed)
      await assert.rejects(one.append([appendOf(mailbox('u1'), 'x')]), closed)
      await assert.rejects(one.extents([mailbox('u1')]), closed)
      await assert.rejects(one.cursors(asUid('u1')), closed)
      await assert.rejects(one.ping(1_000), closed)
      assert.deepEqual(await liveNodes(two), [node])
    })
  })
}
