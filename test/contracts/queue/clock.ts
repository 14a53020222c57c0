import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Inboxes } from '../../../src/drivers/inboxes.ts'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { Routes } from '../../../src/drivers/routes.ts'
import { Inbox, numbered, publishAllOf } from '../inboxes/words.ts'
import { appliedTo, userHere } from '../routes/words.ts'
import { calm, type Candidate, joined, stage } from '../stage.ts'

/** A time in µs. */
const MS = 1_000

export function clock(candidate: () => Candidate<Nodes & Routes, Inboxes>): void {
  describe('the clock', () => {
    it('says of an entry when it was appended, by the clock that State stamps by', async (t) => {
      const { queue: newQueue, state: newState } = stage(t, candidate(), calm)
      const [queue, state] = [newQueue(), newState()]
      const node = await joined(state)
      await queue.open(node)
      const inbox = new Inbox()
      queue.consume(node, inbox.handler)
      const now = async (): Promise<number> => (await appliedTo(state, node, [userHere('u')])).stamps[0]!
      const times = [await now()]
      for (const text of numbered(3)) {
        await publishAllOf(queue, node, [text])
        times.push(await now())
      }
      await inbox.received(3)
      for (const [index, { at }] of inbox.entries.entries()) {
        const [from, to] = [times[index]!, times[index + 1]!]
        assert.ok(at >= from - MS && at <= to + MS, `${at} is between ${from} and ${to}`)
        assert.ok(at >= (inbox.entries[index - 1]?.at ?? 0), 'it does not fall')
      }
    })
  })
}
