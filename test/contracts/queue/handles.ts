import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PushIds } from '../../../src/drivers/push-ids.ts'
import type { Queue } from '../../../src/drivers/queue.ts'
import { broadcastAllOf, bytesOf, Inbox, opened, publishAllOf } from '../inboxes/words.ts'
import { asPushId, calm, type Candidate, CONCURRENCY, stage } from '../stage.ts'

export function handles(candidate: () => Candidate<unknown, Queue & PushIds>): void {
  describe('a handle', { concurrency: CONCURRENCY }, () => {
    it('never sees what stands under another prefix', async (t) => {
      const [left, right] = [stage(t, candidate(), calm).queue(), stage(t, candidate(), calm).queue()]
      const node = await opened(left)
      assert.equal(await right.publish(node, bytesOf('x')), 'closed')
      assert.deepEqual(await right.publishAll(bytesOf('x')), { type: 'stored', nodeCount: 0 })
      await left.reserve(asPushId('id'), 'body', 60_000)
      assert.equal((await right.reserve(asPushId('id'), 'body', 60_000)).type, 'fresh')
    })

    it('closes twice, refuses calls then with FLT_CLOSED, and leaves others open', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const node = await opened(one)
      const inbox = new Inbox()
      two.consume(node, inbox.handler)
      await one.close()
      await one.close()
      const closed = { name: 'FlotillaError', code: 'FLT_CLOSED' }
      await assert.rejects(one.publish(node, bytesOf('x')), closed)
      await assert.rejects(one.publishAll(bytesOf('x')), closed)
      await assert.rejects(one.open(node), closed)
      await assert.rejects(one.seal(node), closed)
      await assert.rejects(one.reserve(asPushId('id'), 'body', 1_000), closed)
      await publishAllOf(two, node, ['still here'])
      await inbox.received(1)
    })

    it('stops its readers when it is closed', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const node = await opened(one)
      const [mine, mineOfAll, theirs] = [new Inbox(), new Inbox(), new Inbox()]
      one.consume(node, mine.handler)
      one.consumeAll(node, mineOfAll.handler)
      await publishAllOf(two, node, ['before'])
      await broadcastAllOf(two, ['before'])
      await Promise.all([mine.received(1), mineOfAll.received(1)])
      await one.close()
      await publishAllOf(two, node, ['after'])
      await broadcastAllOf(two, ['after'])
      two.consume(node, theirs.handler)
      await theirs.received(2)
      assert.deepEqual([mine.texts, mineOfAll.texts], [['before'], ['before']])
    })
  })
}
