import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../../src/drivers/log.ts'
import { calm, type Candidate, CONCURRENCY, stage } from '../stage.ts'
import { appended, appendOf, groupLog, mailbox, pageFrom, positionOf, rowsOf, textsUpTo } from './words.ts'

export function pages(candidate: () => Candidate<Log>): void {
  describe('reading a log', { concurrency: CONCURRENCY }, () => {
    it('answers of a channel without a log that nothing was appended, and how its epoch will begin', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [extent] = await one.extents([mailbox('u')])
      const page = await pageFrom(one, mailbox('u'))
      assert.deepEqual([extent!.terms, extent!.first, extent!.top], [[], 1, 0])
      assert.deepEqual([page.epoch, page.terms, page.from, page.to, page.messages], [extent!.epoch, [], 1, 0, []])
      const [answer] = await appended(one, mailbox('u'), ['a'])
      assert.ok(answer!.epoch.startsWith(extent!.epoch))
      assert.notEqual(answer!.epoch, extent!.epoch)
    })

    it('answers for many channels at once, in order', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const names = Array.from({ length: 50 }, (_, index) => `u${index}`)
      const answers = await one.append(
        names.filter((_, index) => index % 2 === 0).map((u) => appendOf(mailbox(u), 'x')),
      )
      await appended(one, groupLog('g'), ['a', 'b'])
      const extents = await one.extents([...names.map(mailbox), groupLog('g')])
      assert.deepEqual(
        extents.map(({ top }) => top),
        [...names.map((_, index) => (index + 1) % 2), 2],
      )
      for (const [index, { epoch, term }] of answers.entries()) {
        const { epoch: found, terms } = extents[2 * index]!
        assert.deepEqual([found, terms], [epoch, [{ name: term, begin: 1 }]])
      }
      assert.deepEqual(await one.extents([]), [])
    })

    it('begins a page where it is asked to, and ends it at a number of messages', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await one.append(textsUpTo(25).map((text) => appendOf(groupLog('g'), text)))
      const page = await one.readLog(groupLog('g'), { from: 8, count: 10, bytes: 1e6 })
      assert.deepEqual([page.from, page.to, page.first, page.top, page.messages.length], [8, 17, 1, 25, 10])
      assert.deepEqual(rowsOf(page)[0], '8 m8')
      const rest = await one.readLog(groupLog('g'), { from: 18, count: 10, bytes: 1e6 })
      assert.deepEqual([rest.from, rest.to, rowsOf(rest).at(-1)], [18, 25, '25 m25'])
      const beyond = await one.readLog(groupLog('g'), { from: 26, count: 10, bytes: 1e6 })
      assert.deepEqual([beyond.from, beyond.to, beyond.messages], [26, 25, []])
    })

    it('ends a page at a number of bytes, but not before its first message', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const texts = [10, 10, 10, 50, 10].map((length, index) => String(index).repeat(length))
      await appended(one, groupLog('g'), texts)
      const read = async (from: number): Promise<[number, number]> => {
        const page = await one.readLog(groupLog('g'), { from, count: 100, bytes: 25 })
        return [page.messages.length, page.to]
      }
      assert.deepEqual(
        [await read(1), await read(3), await read(4), await read(5)],
        [
          [2, 2],
          [1, 3],
          [1, 4],
          [1, 5],
        ],
      )
    })

    it('reads backwards from a number', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, groupLog('g'), textsUpTo(9))
      await one.erase(groupLog('g'), positionOf(answers[5]!))
      const back = async (before: number): Promise<unknown[]> => {
        const page = await one.readLog(groupLog('g'), { before, count: 3, bytes: 1e6 })
        return [page.from, page.to, ...rowsOf(page)]
      }
      assert.deepEqual(await back(1_000), [7, 9, '7 m7', '8 m8', '9 m9'])
      assert.deepEqual(await back(7), [3, 6, '3 m3', '4 m4', '5 m5'])
      assert.deepEqual(await back(3), [1, 2, '1 m1', '2 m2'])
      assert.deepEqual(await back(1), [1, 0])
    })

    it('tells of empty places: pages together are about every number once', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, groupLog('g'), textsUpTo(20))
      const erased = [0, 1, 2, 6, 9, 10, 18, 19]
      for (const index of erased) await one.erase(groupLog('g'), positionOf(answers[index]!))
      const seen: string[] = []
      let from = 1
      for (let top = 20; from <= top;) {
        const page = await one.readLog(groupLog('g'), { from, count: 4, bytes: 1e6 })
        assert.equal(page.from, from)
        seen.push(...rowsOf(page))
        from = page.to + 1
        top = page.top
      }
      assert.equal(from, 21)
      const expected = answers.map(({ number }) => `${number} m${number}`).filter((_, index) => !erased.includes(index))
      assert.deepEqual(seen, expected)
    })
  })
}
