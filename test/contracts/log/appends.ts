import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../../src/drivers/log.ts'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { Routes } from '../../../src/drivers/routes.ts'
import { memberHere, routesOf, userGone, userHere } from '../routes/words.ts'
import { asPushId, calm, type Candidate, CONCURRENCY, joined, newConnection, stage } from '../stage.ts'
import {
  appended,
  appendOf,
  groupLog,
  KEEP,
  mailbox,
  MINUTE,
  pageFrom,
  positionOf,
  rowsOf,
  textMessage,
} from './words.ts'

export function appends(candidate: () => Candidate<Nodes & Routes & Log>): void {
  describe('appending to a log', { concurrency: CONCURRENCY }, () => {
    it('numbers the messages of each channel from 1 on, and names the one before', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await one.append([
        appendOf(mailbox('u1'), 'a'),
        appendOf(groupLog('u1'), 'b'),
        appendOf(mailbox('u1'), 'c'),
        appendOf(mailbox('u2'), 'd'),
      ])
      assert.deepEqual(
        answers.map(({ number, previous }) => [number, previous]),
        [
          [1, 0],
          [1, 0],
          [2, 1],
          [1, 0],
        ],
      )
      const eras = answers.map(({ epoch, term }) => `${epoch} ${term}`)
      assert.equal(eras[0], eras[2])
      assert.ok(answers.every(({ epoch, term }) => epoch !== '' && term !== ''))
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u1'))), ['1 a', '2 c'])
      assert.deepEqual(rowsOf(await pageFrom(one, groupLog('u1'))), ['1 b'])
    })

    it('keeps all that a message bears', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      const full = {
        id: asPushId('c:päckchen 1'),
        event: 'order.changed',
        key: 'schlüssel 1',
        except: { uids: ['ü'], devices: ['d 1', 'd2'] },
        payload: bytes,
      }
      const before = Date.now()
      await one.append([
        { channel: mailbox('u'), keep: KEEP, message: full },
        { channel: mailbox('u'), keep: KEEP, message: { id: asPushId('p-1'), payload: new Uint8Array() } },
      ])
      const { messages } = await pageFrom(one, mailbox('u'))
      for (const { at } of messages) assert.ok(Math.abs(at - before) < MINUTE)
      assert.deepEqual(
        messages.map(({ payload, ...rest }) => ({ ...rest, payload: [...payload] })),
        [
          { ...full, number: 1, at: messages[0]!.at, payload: [...bytes] },
          { id: 'p-1', number: 2, at: messages[1]!.at, payload: [] },
        ],
      )
    })

    // Invariant L1: an append reads the route in the same step.
    it('answers with the route as a lookup does, whether or not anybody is there', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      const both = async (): Promise<void> => {
        const answers = await one.append([appendOf(mailbox('u'), 'x'), appendOf(groupLog('g'), 'x')])
        const { user, group } = await routesOf(one, 'u', 'g')
        assert.deepEqual(
          answers.map(({ route }) => route),
          [user, group],
        )
      }
      await both()
      await one.apply(node, [userHere('u'), memberHere('g', newConnection('u'))])
      await both()
      await one.apply(node, [userGone('u')])
      await both()
    })

    it('falls before a binding, which then finds the message in the log, or after it and finds the node', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const node = await joined(one)
      for (let round = 0; round < 30; round++) {
        const uid = `u${round}`
        const bindThenRead = async (): Promise<number> => {
          await one.apply(node, [userHere(uid)])
          return (await one.extents([mailbox(uid)]))[0]!.top
        }
        const [top, [answer]] = await Promise.all([bindThenRead(), two.append([appendOf(mailbox(uid), 'x')])])
        assert.ok(top === 1 || answer!.route.nodes.includes(node))
      }
    })

    // Invariant L2: a message that may be in the log already keeps its number.
    it('finds a message that was appended before, if it is said that it was tried', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      await appended(one, mailbox('u'), ['a', 'b', 'c'])
      const again = { ...appendOf(mailbox('u'), 'b'), triedAgo: MINUTE }
      const fresh = { ...appendOf(mailbox('u'), 'd'), triedAgo: MINUTE }
      const answers = await two.append([again, fresh])
      assert.deepEqual(
        answers.map(({ number, previous }) => [number, previous]),
        [
          [2, 1],
          [4, 3],
        ],
      )
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u'))), ['1 a', '2 b', '3 c', '4 d'])
    })

    it('finds it behind hundreds of others', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await one.append(Array.from({ length: 300 }, (_, index) => appendOf(mailbox('u'), `m${index}`)))
      const [found] = await one.append([{ ...appendOf(mailbox('u'), 'm7'), triedAgo: MINUTE }])
      assert.equal(found?.number, 8)
    })

    it('numbers what several append at once, each once, and keeps the order of each', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const handles = [state(), state(), state()]
      const rounds = handles.map(async (handle, index) => {
        const numbers: number[] = []
        for (let round = 0; round < 20; round++) {
          numbers.push(...(await appended(handle, groupLog('g'), [`${index}`])).map(({ number }) => number))
        }
        return numbers
      })
      const numbers = await Promise.all(rounds)
      for (const own of numbers)
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        )
      assert.deepEqual(
        numbers.flat().toSorted((a, b) => a - b),
        Array.from({ length: 60 }, (_, index) => index + 1),
      )
    })

    it('erases one message: its number stays, as an empty place', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, mailbox('u'), ['a', 'b', 'c'])
      assert.equal(await one.erase(mailbox('u'), positionOf(answers[1]!)), true)
      assert.equal(await one.erase(mailbox('u'), positionOf(answers[1]!)), false)
      const page = await pageFrom(one, mailbox('u'))
      assert.deepEqual([page.first, page.from, page.to, page.top], [1, 1, 3, 3])
      assert.deepEqual(rowsOf(page), ['1 a', '3 c'])
      assert.equal((await appended(one, mailbox('u'), ['d']))[0]?.number, 4)
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u'), 2)), ['3 c', '4 d'])
    })

    it('erases nothing by a position of another history', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [answer] = await appended(one, mailbox('u'), ['a'])
      const position = positionOf(answer!)
      assert.equal(await one.erase(mailbox('u'), { ...position, epoch: `${position.epoch}x` }), false)
      assert.equal(await one.erase(mailbox('u'), { ...position, term: `${position.term}x` }), false)
      assert.equal(await one.erase(mailbox('u'), { ...position, number: 2 }), false)
      assert.equal(await one.erase(mailbox('other'), position), false)
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u'))), ['1 a'])
    })

    // Invariant L3: numbers never begin again as long as the epoch stands.
    it('erases all messages: the numbers go on, and nothing counts as trimmed', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const answers = await appended(one, mailbox('u'), ['a', 'b'])
      await one.eraseAll(mailbox('u'))
      await one.eraseAll(mailbox('nobody'))
      const page = await pageFrom(one, mailbox('u'))
      assert.deepEqual([page.first, page.from, page.to, page.top, page.messages.length], [1, 1, 2, 2, 0])
      const [next] = await appended(one, mailbox('u'), ['c'])
      assert.deepEqual([next!.number, next!.epoch, next!.term], [3, answers[0]!.epoch, answers[0]!.term])
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u'))), ['3 c'])
    })

    it('keeps a message as it was given, whatever becomes of the bytes', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const message = textMessage('given')
      const written = one.append([{ channel: mailbox('u'), keep: KEEP, message }])
      await written
      message.payload.fill(0)
      assert.deepEqual(rowsOf(await pageFrom(one, mailbox('u'))), ['1 given'])
    })
  })
}
