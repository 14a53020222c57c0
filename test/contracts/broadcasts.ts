import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Broadcasts } from '../../src/drivers/broadcasts.ts'
import type { Inboxes } from '../../src/drivers/inboxes.ts'
import { elapse, until } from '../support/until.ts'
import { broadcastAllOf, bytesOf, Inbox, numbered, opened, textOf } from './inboxes/words.ts'
import { calm, type Candidate, CONCURRENCY, dormant, newNode, stage } from './stage.ts'

/** Tests every MUST of `Broadcasts`. A node reads broadcasts once its inbox is open. */
export function broadcasts(candidate: () => Candidate<unknown, Inboxes & Broadcasts>): void {
  describe('a broadcast', { concurrency: CONCURRENCY }, () => {
    it('reaches every node once, in order, and says how many read', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const handles = [queue(), queue(), queue()]
      const inboxes: Inbox[] = []
      for (const handle of handles) {
        const node = await opened(handle)
        const inbox = new Inbox()
        inboxes.push(inbox)
        handle.consumeAll(node, inbox.handler)
      }
      for (const text of numbered(100)) {
        assert.deepEqual(await handles[0]!.publishAll(bytesOf(text)), { type: 'stored', nodeCount: 3 })
      }
      for (const inbox of inboxes) {
        await inbox.received(100)
        assert.deepEqual(inbox.texts, numbered(100))
      }
    })

    // Invariant A1: a node has its place before anybody is bound to it.
    it('reaches a node from its opening on, though it begins to read later, and nothing from before', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [early, late] = [queue(), queue()]
      const first = await opened(early)
      await broadcastAllOf(early, ['before'])
      const second = await opened(late)
      await broadcastAllOf(early, numbered(5))
      const [all, since] = [new Inbox(), new Inbox()]
      early.consumeAll(first, all.handler)
      late.consumeAll(second, since.handler)
      await broadcastAllOf(early, ['after'])
      await all.received(7)
      await since.received(6)
      assert.deepEqual(all.texts, ['before', ...numbered(5), 'after'])
      assert.deepEqual(since.texts, [...numbered(5), 'after'])
    })

    it('is the newest by its offset, whether or not it was read', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await broadcastAllOf(queue, numbered(3))
      const newest = await queue.newestBroadcast()
      const inbox = new Inbox()
      queue.consumeAll(node, inbox.handler)
      await inbox.received(3)
      assert.deepEqual(
        inbox.entries.map(({ offset }) => offset === newest),
        [false, false, true],
      )
    })

    it('keeps the place of a node that is opened again', async (t) => {
      const queue = stage(t, candidate(), calm).queue()
      const node = await opened(queue)
      await broadcastAllOf(queue, ['kept'])
      await queue.open(node)
      const inbox = new Inbox()
      queue.consumeAll(node, inbox.handler)
      await inbox.received(1)
      assert.deepEqual(inbox.texts, ['kept'])
    })

    it('wakes its readers at once', async (t) => {
      const { queue } = stage(t, candidate(), dormant)
      const [writer, reader] = [queue(), queue()]
      const node = await opened(reader)
      const inbox = new Inbox()
      reader.consumeAll(node, inbox.handler)
      await broadcastAllOf(writer, ['the reader is up'])
      await inbox.received(1)
      for (let round = 0; round < 15; round++) {
        await broadcastAllOf(writer, ['x'])
        await inbox.received(round + 2)
      }
    })

    it('is read again by a new reader of the node if it was not acked, and only then', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const node = await opened(one)
      await broadcastAllOf(one, numbered(6))
      const first = new Inbox()
      const stop = one.consumeAll(node, first.handler)
      await first.received(6)
      one.ackAll(node, first.entries[2]!.position)
      await stop()
      await until('the ack has arrived', async () => {
        const again = new Inbox()
        const stopAgain = two.consumeAll(node, again.handler)
        await again.received(3)
        await until('the last arrives', () => again.texts.at(-1) === 'm5')
        await stopAgain()
        assert.deepEqual(again.texts, numbered(6).slice(-again.texts.length))
        return again.texts.length === 3
      })
    })

    // Invariant A2: the stream is trimmed to its slowest reader, never to a length.
    it('is kept for the slowest node: one that hung misses nothing that the others have acked', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [quick, slow] = [queue(), queue()]
      const [quickNode, slowNode] = [await opened(quick), await opened(slow)]
      const inbox = new Inbox()
      quick.consumeAll(quickNode, (entries) => {
        void inbox.handler(entries)
        quick.ackAll(quickNode, entries.at(-1)!.position)
      })
      await broadcastAllOf(quick, numbered(300))
      await inbox.received(300)
      const late = new Inbox()
      slow.consumeAll(slowNode, late.handler)
      await late.received(300)
      assert.deepEqual(late.texts, numbered(300))
    })

    it('is refused if the stream is full, never dropped, and taken again when the slowest node has caught up', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 64 * 1024 }).queue()
      const [quick, slow] = [await opened(queue), await opened(queue)]
      queue.consumeAll(quick, (entries) => queue.ackAll(quick, entries.at(-1)!.position))
      const batch = new Uint8Array(4_000)
      let taken = 0
      for (;;) {
        const published = await queue.publishAll(batch)
        if (published.type === 'full') break
        taken++
      }
      assert.ok(taken * batch.length <= 64 * 1024 && taken * batch.length >= 32 * 1024, `it took ${taken}`)
      const late = new Inbox()
      queue.consumeAll(slow, (entries) => {
        void late.handler(entries)
        queue.ackAll(slow, entries.at(-1)!.position)
      })
      await late.received(taken)
      await until('there is room again', async () => (await queue.publishAll(batch)).type === 'stored')
    })

    it('is refused while its slowest reader is further behind than `maxLag`, and taken again once that reader has read on', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxLag: 50 }).queue()
      const [quick, slow] = [await opened(queue), await opened(queue)]
      queue.consumeAll(quick, (entries) => queue.ackAll(quick, entries.at(-1)!.position))
      let taken = 0
      await until('it is refused', async () => {
        const { type } = await queue.publishAll(bytesOf(`m${taken}`))
        if (type === 'behind') return true
        assert.equal(type, 'stored')
        taken++
        return false
      })
      const late = new Inbox()
      queue.consumeAll(slow, (entries) => {
        void late.handler(entries)
        queue.ackAll(slow, entries.at(-1)!.position)
      })
      await late.received(taken)
      assert.deepEqual(late.texts.slice(0, taken), numbered(taken))
      await until('it is taken again', async () => (await queue.publishAll(bytesOf('x'))).type === 'stored')
    })

    it('is not refused as behind because of a process that may never wake up; once that has woken up, it counts again', async (t) => {
      const { queue } = stage(t, candidate(), { ...calm, maxLag: 50 })
      const [one, two] = [queue(), queue()]
      const [dead, alive] = [await opened(one), await opened(two)]
      await broadcastAllOf(two, ['unread'])
      await two.replayAll(dead)
      await two.destroy(dead)
      const inbox = new Inbox()
      two.consumeAll(alive, (entries) => {
        void inbox.handler(entries)
        for (const { position, isReplay } of entries) if (isReplay !== true) two.ackAll(alive, position)
      })
      await inbox.received(3)
      await elapse(100)
      await until('it is taken', async () => (await two.publishAll(bytesOf('x'))).type === 'stored')
      await one.open(newNode(), dead)
      assert.equal((await two.publishAll(bytesOf('x'))).type, 'behind')
    })

    it('is taken for ever while everyone keeps up', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 32 * 1024 }).queue()
      for (const node of [await opened(queue), await opened(queue)]) {
        queue.consumeAll(node, (entries) => queue.ackAll(node, entries.at(-1)!.position))
      }
      for (let round = 0; round < 60; round++) {
        await until('there is room', async () => (await queue.publishAll(new Uint8Array(4_000))).type === 'stored')
      }
    })

    it('is stored for nobody if no node is open', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 10_000 }).queue()
      for (let round = 0; round < 5; round++) {
        assert.deepEqual(await queue.publishAll(new Uint8Array(4_000)), { type: 'stored', nodeCount: 0 })
      }
    })

    // Invariant A3: what a dead node had not read comes once more.
    it('comes once more to everyone if a dead node had not acked it, as a replay that ends with an empty entry', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two, three] = [queue(), queue(), queue()]
      const [dead, alive] = [await opened(one), await opened(two)]
      const [mine, other] = [new Inbox(), new Inbox()]
      one.consumeAll(dead, mine.handler)
      two.consumeAll(alive, other.handler)
      await broadcastAllOf(three, numbered(40))
      await Promise.all([mine.received(40), other.received(40)])
      one.ackAll(dead, mine.entries[9]!.position)
      two.ackAll(alive, other.entries[39]!.position)
      await one.close()
      const late = await opened(three)
      const since = new Inbox()
      three.consumeAll(late, since.handler)
      await Promise.all([two.replayAll(dead), three.replayAll(dead)])
      await two.replayAll(dead)
      await two.destroy(dead)
      await broadcastAllOf(three, ['after'])
      for (const [inbox, before] of [
        [other, 40],
        [since, 0],
      ] as const) {
        await inbox.received(before + 30 + 2)
        const [replays, [end, after, ...rest]] = [
          inbox.entries.slice(before, before + 30),
          inbox.entries.slice(before + 30),
        ]
        assert.deepEqual(replays.map(textOf), numbered(40).slice(10))
        assert.ok(replays.every(({ isReplay }) => isReplay === true))
        assert.deepEqual([end!.bytes.length, textOf(after!), rest.length], [0, 'after', 0])
      }
      assert.deepEqual(
        other.entries.slice(40, 70).map(({ offset }) => offset),
        other.entries.slice(10, 40).map(({ offset }) => offset),
      )
    })

    it('is not kept for anybody once its last reader has gone', async (t) => {
      const { queue } = stage(t, candidate(), { ...calm, maxInboxBytes: 1_000 })
      const one = queue()
      const last = await opened(one)
      await broadcastAllOf(one, ['unread'])
      await one.replayAll(last)
      await one.destroy(last)
      const next = await opened(one)
      const inbox = new Inbox()
      one.consumeAll(next, inbox.handler)
      await broadcastAllOf(one, ['after'])
      await inbox.received(1)
      assert.deepEqual(inbox.texts, ['after'])
    })

    it('is not replayed if the dead node had acked all of them', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const [dead, alive] = [await opened(one), await opened(two)]
      const [mine, other] = [new Inbox(), new Inbox()]
      one.consumeAll(dead, mine.handler)
      two.consumeAll(alive, other.handler)
      await broadcastAllOf(two, numbered(3))
      await mine.received(3)
      one.ackAll(dead, mine.entries[2]!.position)
      await one.close()
      await two.replayAll(dead)
      await broadcastAllOf(two, ['after'])
      await other.received(4)
      assert.deepEqual(other.texts, [...numbered(3), 'after'])
    })

    it('waits for a process whose node was taken over: its next incarnation reads on where it stood', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const [before, alive] = [await opened(one), await opened(two)]
      const inbox = new Inbox()
      two.consumeAll(alive, inbox.handler)
      await broadcastAllOf(two, numbered(5))
      await two.replayAll(before)
      await two.destroy(before)
      await inbox.received(11)
      two.ackAll(alive, inbox.entries.at(-1)!.position)
      await broadcastAllOf(two, ['after'])
      const next = newNode()
      await one.open(next, before)
      const woken = new Inbox()
      one.consumeAll(next, woken.handler)
      await until('it has read on', () => woken.texts.includes('after'))
      assert.deepEqual(
        woken.entries.filter(({ isReplay, bytes }) => isReplay !== true && bytes.length > 0).map(textOf),
        [...numbered(5), 'after'],
      )
    })

    // Invariant A5: the place of a dead node is held, and costs nobody anything.
    it('is not refused because of a process that may never wake up', async (t) => {
      const { queue } = stage(t, candidate(), { ...calm, maxInboxBytes: 10_000 })
      const [one, two] = [queue(), queue()]
      const [dead, alive] = [await opened(one), await opened(two)]
      two.consumeAll(alive, (entries) => {
        for (const { position, isReplay } of entries) if (isReplay !== true) two.ackAll(alive, position)
      })
      const batch = new Uint8Array(1_000)
      for (let count = 0; count < 9; count++) assert.equal((await two.publishAll(batch)).type, 'stored')
      await two.replayAll(dead)
      await two.destroy(dead)
      let taken = 0
      await until('more than the bound was taken', async () => {
        if ((await two.publishAll(batch)).type === 'stored') taken++
        return taken > 20
      })
    })

    it('is not for a node that was destroyed, even twice', async (t) => {
      const { queue } = stage(t, candidate(), calm)
      const [one, two] = [queue(), queue()]
      const [node] = [await opened(one), await opened(one)]
      await one.seal(node)
      await Promise.all([one.destroy(node), two.destroy(node)])
      await one.destroy(node)
      assert.deepEqual(await one.publishAll(bytesOf('x')), { type: 'stored', nodeCount: 1 })
    })

    it('takes no room if only a dead node had not read it and that node was destroyed', async (t) => {
      const queue = stage(t, candidate(), { ...calm, maxInboxBytes: 32 * 1024 }).queue()
      const [dead, living] = [await opened(queue), await opened(queue)]
      queue.consumeAll(living, (entries) => queue.ackAll(living, entries.at(-1)!.position))
      await until('the stream is full', async () => (await queue.publishAll(new Uint8Array(4_000))).type === 'full')
      await queue.seal(dead)
      await queue.destroy(dead)
      await until('there is room', async () => (await queue.publishAll(new Uint8Array(4_000))).type === 'stored')
      await broadcastAllOf(queue, ['x'])
    })
  })
}
