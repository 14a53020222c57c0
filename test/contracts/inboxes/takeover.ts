import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Inboxes } from '../../../src/drivers/inboxes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { until } from '../../support/until.ts'
import { calm, type Candidate, CONCURRENCY, newNode, stage } from '../stage.ts'
import { bytesOf, Inbox, numbered, opened, publishAllOf, textOf } from './words.ts'

export function takeover(candidate: () => Candidate<unknown, Inboxes>): void {
  describe('a takeover', { concurrency: CONCURRENCY }, () => {
    it('seals the inbox: publishers get `closed`, and it does not open by itself', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [publisher, survivor] = [queue(), queue()]
      const node = await opened(publisher)
      await publishAllOf(publisher, node, ['before'])
      await survivor.seal(node)
      assert.equal(await publisher.publish(node, bytesOf('after')), 'closed')
      assert.equal(await publisher.isOpen(node), false)
      await survivor.seal(node)
      assert.deepEqual(await drained(survivor, node), ['before'])
      assert.equal(await publisher.publish(node, bytesOf('after')), 'closed')
    })

    // Invariant B2: a takeover seals the inbox first, and in one step.
    it('loses nothing that was stored: a batch is in the sealed inbox, or its publisher got `closed`', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const survivor = queue()
      const node = await opened(survivor)
      const stored: string[] = []
      const publishing = ['a', 'b', 'c'].map(async (word) => {
        const publisher = queue()
        for (let index = 0; ; index++) {
          if ((await publisher.publish(node, bytesOf(`${word}${index}`))) === 'closed') return
          stored.push(`${word}${index}`)
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      await until('some are stored', () => stored.length > 20)
      await survivor.seal(node)
      await Promise.all(publishing)
      const found = await drained(survivor, node)
      assert.deepEqual(found.toSorted(), stored.toSorted())
      for (const word of ['a', 'b', 'c']) {
        const own = found.filter((text) => text.startsWith(word))
        assert.deepEqual(own, numbered(own.length, word))
      }
    })

    it('leaves the old owner nothing to read and nothing to ack', async (t) => {
      const { queue } = stage(t, candidate(), { ...calm, heartbeat: 100 })
      const [owner, survivor] = [queue(), queue()]
      const node = await opened(owner)
      const inbox = new Inbox()
      owner.consume(node, inbox.handler)
      await publishAllOf(owner, node, numbered(5))
      await inbox.received(5)
      await survivor.seal(node)
      owner.ack(node, inbox.entries.at(-1)!.position)
      const late = new Inbox()
      owner.consume(node, late.handler)
      // Once this reader reads, the late one has had its chance.
      const other = await opened(owner)
      const control = new Inbox()
      owner.consume(other, control.handler)
      for (let round = 1; round <= 10; round++) {
        await publishAllOf(owner, other, ['x'])
        await control.received(round)
      }
      assert.deepEqual(late.texts, [])
      assert.equal(inbox.entries.length, 5)
      assert.deepEqual(await drained(survivor, node), numbered(5))
    })

    it('hands out in order what was not acked', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, numbered(250))
      await queue.seal(node)
      assert.deepEqual(await drained(queue, node), numbered(250))
      assert.deepEqual(await drained(queue, node), [])
    })

    it('forgets an entry only when its handler has resolved; a handler that rejects ends the drain, and the next drain goes on there', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, numbered(3_000))
      await queue.seal(node)
      const seen: string[] = []
      const failure = new Error('the store is away')
      let lastBatch: string[] = []
      const failing = queue.drain(node, async (entries) => {
        lastBatch = entries.map(textOf)
        seen.push(...lastBatch)
        if (seen.length > 100) throw failure
      })
      await assert.rejects(failing, (error: Error) => error === failure || error.cause === failure)
      assert.deepEqual(seen, numbered(seen.length))
      assert.deepEqual(await drained(queue, node), numbered(3_000).slice(seen.length - lastBatch.length))
    })

    it('hands out some entries after others', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, numbered(20))
      await queue.seal(node)
      let busy = 0
      await queue.drain(node, async () => {
        assert.equal(++busy, 1)
        await new Promise((resolve) => setImmediate(resolve))
        busy--
      })
    })

    it('is safe at the same time as another: every entry is handed out at least once', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const node = await opened(one)
      await publishAllOf(one, node, numbered(200))
      await Promise.all([one.seal(node), two.seal(node)])
      const found = await Promise.all([drained(one, node), drained(two, node)])
      assert.deepEqual([...new Set(found.flat())].toSorted(), numbered(200).toSorted())
      for (const texts of found)
        assert.deepEqual(
          texts,
          numbered(200).filter((text) => texts.includes(text)),
        )
      assert.deepEqual(await drained(one, node), [])
    })

    it('finds nothing in an inbox that was not sealed, or that never was', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, ['for its owner'])
      assert.deepEqual(await drained(queue, node), [])
      assert.equal(await queue.isOpen(node), true)
      const unknown = newNode()
      await queue.seal(unknown)
      assert.deepEqual(await drained(queue, unknown), [])
      await queue.destroy(unknown)
    })

    it('removes what is left of a node, also if done twice or at the same time as others', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const [node, other] = [await opened(one), await opened(one)]
      await publishAllOf(one, node, numbered(3))
      await publishAllOf(one, other, ['stays'])
      await one.seal(node)
      await Promise.all([one.destroy(node), two.destroy(node)])
      await one.destroy(node)
      assert.deepEqual(await drained(one, node), [])
      assert.equal(await one.publish(node, bytesOf('x')), 'closed')
      const inbox = new Inbox()
      one.consume(other, inbox.handler)
      await inbox.received(1)
      assert.deepEqual(inbox.texts, ['stays'])
    })
  })
}

async function drained(queue: Inboxes, node: NodeId): Promise<string[]> {
  const texts: string[] = []
  await queue.drain(node, async (entries) => void texts.push(...entries.map(textOf)))
  return texts
}
