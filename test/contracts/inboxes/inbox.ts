import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Entry } from '../../../src/drivers/entry.ts'
import type { Inboxes } from '../../../src/drivers/inboxes.ts'
import { until } from '../../support/until.ts'
import { calm, type Candidate, CONCURRENCY, dormant, newNode, stage } from '../stage.ts'
import { bytesOf, fill, Inbox, numbered, opened, publishAllOf, unacked } from './words.ts'

export function inbox(candidate: () => Candidate<unknown, Inboxes>): void {
  describe('an inbox', { concurrency: CONCURRENCY }, () => {
    // Invariant B1: publishing never creates an inbox.
    it('is closed before it was opened, and publishing does not open it', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = newNode()
      assert.equal(await queue.isOpen(node), false)
      assert.equal(await queue.publish(node, bytesOf('x')), 'closed')
      assert.equal(await queue.publish(node, bytesOf('x')), 'closed')
      assert.equal(await queue.isOpen(node), false)
      await queue.open(node)
      assert.equal(await queue.isOpen(node), true)
      assert.deepEqual(await unacked(queue, node), [])
    })

    it('hands out batches in the order in which they were published, with growing positions', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [writer, reader] = [queue(), queue()]
      const node = await opened(reader)
      const inbox = new Inbox()
      reader.consume(node, inbox.handler)
      await publishAllOf(writer, node, numbered(100))
      await inbox.received(100)
      assert.deepEqual(inbox.texts, numbered(100))
      assert.equal(new Set(inbox.entries.map(({ position }) => position)).size, 100)
    })

    it('keeps what came before anybody read', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, numbered(300))
      const inbox = new Inbox()
      queue.consume(node, inbox.handler)
      await inbox.received(300)
      assert.deepEqual(inbox.texts, numbered(300))
    })

    it('stays as it is when it is opened again', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await publishAllOf(queue, node, ['kept'])
      await queue.open(node)
      assert.deepEqual(await unacked(queue, node), ['kept'])
    })

    it('keeps the order of each of several publishers', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const reader = queue()
      const node = await opened(reader)
      const inbox = new Inbox()
      reader.consume(node, inbox.handler)
      await Promise.all(['a', 'b', 'c'].map((word) => publishAllOf(queue(), node, numbered(60, word))))
      await inbox.received(180)
      for (const word of ['a', 'b', 'c']) {
        assert.deepEqual(
          inbox.texts.filter((text) => text.startsWith(word)),
          numbered(60, word),
        )
      }
    })

    it('gives bytes back as they were, even if the publisher uses its buffer again', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      const batches = [0, 1, 256, 65_536, 1_048_576].map((size) =>
        Uint8Array.from({ length: size }, (_, index) => (index * 7) & 0xff),
      )
      for (const batch of batches) {
        const buffer = batch.slice()
        assert.equal(await queue.publish(node, buffer), 'stored')
        buffer.fill(0xee)
      }
      const inbox = new Inbox()
      queue.consume(node, inbox.handler)
      await inbox.received(batches.length)
      for (const [index, { bytes }] of inbox.entries.entries()) {
        assert.ok(Buffer.from(bytes).equals(batches[index]!), `the batch of ${batches[index]!.length} bytes`)
      }
    })

    // Invariant K4: a blocking read is woken at once.
    it('wakes its reader at once', async (t) => {
      const { queue } = stage(t, candidate(), dormant)
      const [writer, reader] = [queue(), queue()]
      const node = await opened(reader)
      const inbox = new Inbox()
      reader.consume(node, inbox.handler)
      await publishAllOf(writer, node, ['the reader is up'])
      await inbox.received(1)
      for (let round = 0; round < 15; round++) {
        await publishAllOf(writer, node, ['x'])
        await inbox.received(round + 2)
      }
    })

    it('calls the handler for the next entries only when it has resolved for these', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      let busy = 0
      const seen: Entry[] = []
      queue.consume(node, async (entries) => {
        assert.equal(++busy, 1, 'two calls at once')
        await new Promise((resolve) => setTimeout(resolve, 5))
        seen.push(...entries)
        busy--
      })
      await publishAllOf(queue, node, numbered(40))
      await until('all arrive', () => seen.length === 40)
    })

    it('is not read any more once `stop` has resolved, which waits for the handler', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      let [calls, finished] = [0, 0]
      const stop = queue.consume(node, async () => {
        calls++
        await new Promise((resolve) => setTimeout(resolve, 50))
        finished++
      })
      await publishAllOf(queue, node, ['one'])
      await until('the handler is called', () => calls === 1)
      await stop()
      assert.equal(finished, 1)
      await publishAllOf(queue, node, ['two'])
      assert.deepEqual(await unacked(queue, node), ['one', 'two'])
      assert.equal(calls, 1)
      await stop()
    })

    it('is read again from what was not acked', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [first, second] = [queue(), queue()]
      const node = await opened(first)
      const inbox = new Inbox()
      const stop = first.consume(node, inbox.handler)
      await publishAllOf(first, node, numbered(10))
      await inbox.received(10)
      await stop()
      assert.deepEqual(await unacked(second, node), numbered(10))
      first.ack(node, inbox.entries[5]!.position)
      await until('the ack has arrived', async () => (await unacked(second, node)).length === 4)
      assert.deepEqual(await unacked(second, node), numbered(10).slice(6))
    })

    it('does not suffer from an ack that comes twice, or after a later one', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      const inbox = new Inbox()
      const stop = queue.consume(node, inbox.handler)
      await publishAllOf(queue, node, numbered(10))
      await inbox.received(10)
      await stop()
      queue.ack(node, inbox.entries[7]!.position)
      await until('the ack has arrived', async () => (await unacked(queue, node)).length === 2)
      queue.ack(node, inbox.entries[7]!.position)
      queue.ack(node, inbox.entries[2]!.position)
      queue.ack(node, inbox.entries[8]!.position)
      await until('the last ack has arrived', async () => (await unacked(queue, node)).length === 1)
    })

    // Invariant B7: a full inbox refuses what is new, and never drops what it took.
    it('takes no more than its bound, drops nothing of it, and takes more when something was acked', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 64 * 1024 }).queue()
      const node = await opened(queue)
      const batch = new Uint8Array(4 * 1024)
      const taken = await fill(() => queue.publish(node, batch), batch.length)
      assert.ok(taken <= 64 * 1024 && taken >= 32 * 1024, `it took ${taken}`)
      assert.equal(await queue.publish(node, batch), 'full')
      const inbox = new Inbox()
      queue.consume(node, inbox.handler)
      await inbox.received(taken / batch.length)
      assert.equal(await queue.publish(node, batch), 'full', 'reading alone makes no room')
      queue.ack(node, inbox.entries.at(-1)!.position)
      await until('there is room again', async () => (await queue.publish(node, batch)) === 'stored')
      assert.equal(inbox.entries.length >= taken / batch.length, true)
    })

    it('is bounded again and again: what was acked is not counted for ever', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 32 * 1024 }).queue()
      const node = await opened(queue)
      queue.consume(node, (entries) => queue.ack(node, entries.at(-1)!.position))
      for (let round = 0; round < 100; round++) {
        await until('there is room', async () => (await queue.publish(node, new Uint8Array(4_000))) === 'stored')
      }
    })

    it('takes nothing while its oldest entry is older than `maxLag`, drops nothing of it, and takes more when that was acked', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxLag: 50 }).queue()
      const [node, other] = [await opened(queue), await opened(queue)]
      let taken = 0
      await until('it is behind', async () => {
        const published = await queue.publish(node, bytesOf(`m${taken}`))
        if (published === 'behind') return true
        assert.equal(published, 'stored')
        taken++
        return false
      })
      assert.ok(taken > 0, 'an empty one takes what comes')
      assert.equal(await queue.publish(node, bytesOf('x')), 'behind')
      assert.equal(await queue.publish(other, bytesOf('x')), 'stored', 'another is not behind')
      const inbox = new Inbox()
      queue.consume(node, inbox.handler)
      await inbox.received(taken)
      assert.equal(await queue.publish(node, bytesOf('x')), 'behind', 'reading alone does not help')
      queue.ack(node, inbox.entries.at(-1)!.position)
      await until('it takes more', async () => (await queue.publish(node, bytesOf('x'))) === 'stored')
      assert.deepEqual(inbox.texts.slice(0, taken), numbered(taken))
    })

    it('takes an owed batch even if it is full or behind, and counts it', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 16 * 1024 }).queue()
      const lagging = stage(t, candidate(), { ...calm, maxLag: 50 }).queue()
      for (const [handle, refused] of [
        [queue, 'full'],
        [lagging, 'behind'],
      ] as const) {
        const node = await opened(handle)
        await until('it refuses', async () => (await handle.publish(node, new Uint8Array(4_000))) === refused)
        assert.equal(await handle.publish(node, bytesOf('owed'), true), 'stored')
        assert.equal(await handle.publish(node, new Uint8Array(4_000)), refused)
        await handle.seal(node)
        assert.equal(await handle.publish(node, bytesOf('owed'), true), 'closed')
        assert.equal(await handle.publish(node, new Uint8Array(4_000)), 'closed')
      }
    })

    it('is never behind without `maxLag`, and with it never if it is read in time', async (t) => {
      const without = stage(t, candidate(), calm).queue()
      const node = await opened(without)
      await publishAllOf(without, node, ['old'])
      const { queue } = stage(t, candidate(), { ...calm, maxLag: 50 })
      const [writer, reader] = [queue(), queue()]
      const busy = await opened(writer)
      reader.consume(busy, (entries) => reader.ack(busy, entries.at(-1)!.position))
      // This takes many times as long as the inbox may be behind.
      const started = performance.now()
      while (performance.now() < started + 500) {
        await until('it takes more', async () => (await writer.publish(busy, bytesOf('x'))) === 'stored')
      }
      assert.equal(await without.publish(node, bytesOf('x')), 'stored')
    })

    it('holds nothing of another node', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 10_000 }).queue()
      const [a, b] = [await opened(queue), await opened(queue)]
      await fill(() => queue.publish(a, new Uint8Array(1_000)), 1_000)
      assert.equal(await queue.publish(b, bytesOf('for b')), 'stored')
      assert.deepEqual(await unacked(queue, b), ['for b'])
    })

    it('keeps poisoned entries aside, at most 1,000', async (t) => {
      const { queue: open, settings } = stage(t, candidate(), calm)
      const queue = open()
      const node = await opened(queue)
      const entry = { position: '', bytes: bytesOf('poison'), offset: 0, at: 0 }
      await publishAllOf(queue, node, ['poison'])
      const inbox = new Inbox()
      const stop = queue.consume(node, inbox.handler)
      await inbox.received(1)
      await stop()
      const { position } = inbox.entries[0]!
      for (let round = 0; round < 21; round++) {
        await Promise.all(numbered(50).map(() => queue.setAside(node, { ...entry, position }, 'not an envelope')))
      }
      const count = await candidate().countAside?.(settings.prefix, node)
      if (count !== undefined) assert.ok(count > 0 && count <= 1_000, `${count} are kept`)
    })
  })
}
