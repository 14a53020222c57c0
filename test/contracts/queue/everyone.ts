import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Inboxes } from '../../../src/drivers/inboxes.ts'
import type { Channel, Log } from '../../../src/drivers/log.ts'
import { opened } from '../inboxes/words.ts'
import { appended, appendOf, MINUTE, pageFrom, positionOf, rowsOf } from '../log/words.ts'
import { calm, type Candidate, stage } from '../stage.ts'

const everyone: Channel = { type: 'all' }

export function everyonesLog(candidate: () => Candidate<unknown, Inboxes & Log>): void {
  describe("everyone's log", () => {
    it('keeps messages as the logs of users and groups do, and answers which nodes read broadcasts', async (t) => {
      const one = stage(t, candidate(), calm).queue()
      const [first] = await appended(one, everyone, ['a'], { last: 2 })
      assert.deepEqual([first!.number, first!.route.nodes], [1, []])
      const [a, b] = [await opened(one), await opened(one)]
      const [, third] = await appended(one, everyone, ['b', 'c'], { last: 2 })
      assert.deepEqual([...third!.route.nodes].toSorted(), [a, b].toSorted())
      const [again] = await one.append([{ ...appendOf(everyone, 'c', { last: 2 }), triedAgo: MINUTE }])
      assert.equal(again!.number, 3)
      const page = await pageFrom(one, everyone)
      assert.deepEqual([page.first, page.top, ...rowsOf(page)], [2, 3, '2 b', '3 c'])
      assert.deepEqual((await one.extents([everyone]))[0]!.top, 3)
      assert.equal(await one.erase(everyone, positionOf(third!)), true)
      await one.eraseAll(everyone)
      assert.deepEqual(rowsOf(await pageFrom(one, everyone)), [])
    })
  })
}
