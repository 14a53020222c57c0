import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Cursors } from '../../../src/drivers/cursors.ts'
import type { Log } from '../../../src/drivers/log.ts'
import { elapse, until } from '../../support/until.ts'
import { asUid, calm, type Candidate, CONCURRENCY, stage } from '../stage.ts'
import { appended, appendOf, groupLog, mailbox, MINUTE, pageFrom, positionOf, rowsOf, textsUpTo } from './words.ts'

// Invariant L4: every log is bounded by its append, and a page says where it begins.
export function trimming(candidate: () => Candidate<Log & Cursors>): void {
  describe('a log that is larger than it may be', { concurrency: CONCURRENCY }, () => {
    it('is trimmed to a number of messages, and says where it begins', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await appended(one, groupLog('g'), textsUpTo(7), { last: 3 })
      const page = await pageFrom(one, groupLog('g'))
      assert.deepEqual([page.first, page.from, page.to, page.top], [5, 5, 7, 7])
      assert.deepEqual(rowsOf(page), ['5 m5', '6 m6', '7 m7'])
      const back = await one.readLog(groupLog('g'), { before: 6, count: 10, bytes: 1e6 })
      assert.deepEqual([back.from, back.to], [5, 5])
    })

    it('counts messages, not empty places', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, groupLog('g'), textsUpTo(3), { last: 3 })
      await one.erase(groupLog('g'), positionOf(answers[1]!))
      await appended(one, groupLog('g'), ['m4'], { last: 3 })
      const page = await pageFrom(one, groupLog('g'))
      assert.deepEqual([page.first, ...rowsOf(page)], [1, '1 m1', '3 m3', '4 m4'])
    })

    it('is trimmed to a MiB, but keeps a new message that is larger', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const large = 'x'.repeat(400_000)
      await appended(one, groupLog('g'), [large, large, large])
      assert.equal((await pageFrom(one, groupLog('g'))).first, 2)
      await appended(one, groupLog('g'), ['y'.repeat(1_500_000)])
      const page = await pageFrom(one, groupLog('g'))
      assert.deepEqual([page.first, page.messages.length], [4, 1])
      await appended(one, groupLog('g'), ['small'])
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('g'))), ['5 small'])
    })

    it('loses messages that are too old with the next append', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await appended(one, groupLog('g'), ['old', 'older'])
      await elapse(30)
      await one.append([appendOf(groupLog('g'), 'new', { for: 20 }), appendOf(groupLog('g'), 'newer')])
      const page = await pageFrom(one, groupLog('g'))
      assert.deepEqual([page.first, ...rowsOf(page)], [3, '3 new', '4 newer'])
    })

    it('is empty once nothing was appended for as long as it keeps messages, and its numbers go on', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const start = performance.now()
      const [before] = await one.append(['a', 'b'].map((text) => appendOf(mailbox('u'), text, { for: 500 })))
      let page = await pageFrom(one, mailbox('u'))
      await until('all has gone', async () => {
        page = await pageFrom(one, mailbox('u'))
        return page.messages.length === 0
      })
      const [next] = await appended(one, mailbox('u'), ['c'])
      // If this machine stood still for too long, the log itself may have gone.
      if (performance.now() - start > 950) return
      assert.deepEqual([page.first, page.from, page.to, page.top], [3, 3, 2, 2])
      assert.deepEqual([next!.number, next!.epoch], [3, before!.epoch])
      const after = await pageFrom(one, mailbox('u'))
      assert.deepEqual([after.first, ...rowsOf(after)], [3, '3 c'])
    })

    it('keeps of each key the newest message alone', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const put = (text: string, key?: string): Promise<unknown> =>
        appended(one, groupLog('g'), [text], { last: 3, compact: true }, key === undefined ? {} : { key })
      await put('a1', 'a')
      await put('b1', 'b')
      await put('plain')
      for (let round = 2; round < 20; round++) await put(`a${round}`, 'a')
      const page = await pageFrom(one, groupLog('g'))
      assert.deepEqual([page.first, page.top], [1, 21])
      assert.deepEqual(rowsOf(page), ['2 b1', '3 plain', '21 a19'])
      await put('b2', 'b')
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('g'))), ['3 plain', '21 a19', '22 b2'])
      await put('c1', 'c')
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('g'))), ['21 a19', '22 b2', '23 c1'])
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('g'), 22)), ['22 b2', '23 c1'])
    })

    it('does not compact what may only be trimmed', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await appended(one, groupLog('g'), ['1', '2'], {}, { key: 'a' })
      assert.equal((await pageFrom(one, groupLog('g'))).messages.length, 2)
    })

    it('loses what all devices have acked if it keeps messages until then, except the last hundred of that', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const channel = mailbox('u')
      const keep = { untilAcked: true }
      const answers = await one.append(textsUpTo(150).map((text) => appendOf(channel, text, keep)))
      const ack = (device: string, index: number): Promise<void> =>
        one.moveCursors([{ uid: asUid('u'), device, ...positionOf(answers[index]!) }])
      const firstAfter = async (rule: object): Promise<number> => {
        await appended(one, channel, ['next'], rule)
        return (await one.extents([channel]))[0]!.first
      }
      assert.equal(await firstAfter(keep), 1)
      await ack('phone', 139)
      assert.equal(await firstAfter({}), 1)
      assert.equal(await firstAfter(keep), 41)
      await ack('laptop', 119)
      await ack('phone', 149)
      assert.equal(await firstAfter(keep), 41)
      await ack('laptop', 149)
      assert.equal(await firstAfter(keep), 51)
    })

    it('never loses the message that was just appended', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await appended(one, groupLog('g'), ['a', 'b'], { last: 0, for: MINUTE })
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('g'))), ['2 b'])
    })
  })
}
