import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Cursors, MAX_CURSORS } from '../../src/drivers/cursors.ts'
import type { Log, LogPosition } from '../../src/drivers/log.ts'
import { appended, mailbox, positionOf, textsUpTo } from './log/words.ts'
import { asUid, calm, type Candidate, CONCURRENCY, stage } from './stage.ts'

/** Tests every MUST of `Cursors`. */
export function cursors(candidate: () => Candidate<Log & Cursors>): void {
  describe('cursors', { concurrency: CONCURRENCY }, () => {
    it('say how far each device has acked, and how many messages it has yet to read', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, mailbox('u'), textsUpTo(5))
      await one.erase(mailbox('u'), positionOf(answers[3]!))
      await ack(one, 'u', 'phone', answers[1]!)
      await ack(one, 'u', 'laptop', answers[4]!)
      const found = await one.cursors(asUid('u'))
      for (const { seenAt } of found) assert.ok(Math.abs(seenAt - Date.now()) < 60_000)
      assert.deepEqual(
        found.map(({ device, number, unreadCount }) => `${device} ${number} ${unreadCount}`).toSorted(),
        ['laptop 5 0', 'phone 2 2'],
      )
      assert.deepEqual(await one.cursors(asUid('other')), [])
    })

    // Invariant L6: a cursor never goes back, and means nothing in another history.
    it('never go back', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const answers = await appended(one, mailbox('u'), textsUpTo(5))
      await ack(one, 'u', 'phone', answers[3]!)
      await ack(two, 'u', 'phone', answers[1]!)
      await ack(two, 'u', 'phone', answers[3]!)
      assert.deepEqual(await numbersOf(one, 'u'), ['phone 4'])
    })

    it('are not moved by an ack of another history, or without a log, nor beyond its end', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [answer] = await appended(one, mailbox('u'), ['a'])
      await ack(one, 'u', 'a', { ...answer!, epoch: 'other' })
      await ack(one, 'u', 'b', { ...answer!, term: 'other' })
      await ack(one, 'u', 'c', { ...answer!, number: 7 })
      await ack(one, 'v', 'd', answer!)
      assert.deepEqual(await numbersOf(one, 'u'), ['c 1'])
      assert.deepEqual(await numbersOf(one, 'v'), [])
    })

    it('are those of 32 devices: the device that was not seen for longest is forgotten first', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [answer] = await appended(one, mailbox('u'), ['a'])
      for (let index = 0; index < MAX_CURSORS; index++) await ack(one, 'u', `d${index}`, answer!)
      await ack(one, 'u', 'd0', answer!)
      await one.moveCursors(['new', 'newer'].map((device) => ({ uid: asUid('u'), device, ...positionOf(answer!) })))
      const devices = (await one.cursors(asUid('u'))).map(({ device }) => device)
      assert.equal(devices.length, MAX_CURSORS)
      assert.ok(['d0', 'new', 'newer', 'd3'].every((device) => devices.includes(device)))
      assert.ok(!devices.includes('d1') && !devices.includes('d2'))
    })

    it('go with everything if all messages of a user are erased', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [answer] = await appended(one, mailbox('u'), ['a'])
      await ack(one, 'u', 'phone', answer!)
      await one.eraseAll(mailbox('u'))
      assert.deepEqual(await one.cursors(asUid('u')), [])
    })

    it('of many users are written at once', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const uids = Array.from({ length: 40 }, (_, index) => `u${index}`)
      const acks = []
      for (const uid of uids) {
        const [answer] = await appended(one, mailbox(uid), ['a'])
        acks.push({ uid: asUid(uid), device: 'd', ...positionOf(answer!) })
      }
      await one.moveCursors(acks)
      await one.moveCursors([])
      for (const uid of uids) assert.deepEqual(await numbersOf(one, uid), ['d 1'])
    })
  })
}

function ack(state: Cursors, uid: string, device: string, position: LogPosition): Promise<void> {
  return state.moveCursors([{ uid: asUid(uid), device, ...positionOf(position) }])
}

async function numbersOf(state: Cursors, uid: string): Promise<string[]> {
  return (await state.cursors(asUid(uid))).map(({ device, number }) => `${device} ${number}`)
}
