import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Nodes } from '../../src/drivers/nodes.ts'
import type { Parking } from '../../src/drivers/parking.ts'
import type { Routes } from '../../src/drivers/routes.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { until } from '../support/until.ts'
import { appliedTo, userGone, userHere } from './routes/words.ts'
import { asPushId, asUid, calm, type Candidate, CONCURRENCY, joined, stage } from './stage.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Tests every MUST of `Parking`. */
export function parking(candidate: () => Candidate<Nodes & Routes & Parking>): void {
  describe('parking', { concurrency: CONCURRENCY }, () => {
    it('keeps messages for a user who is nowhere, in order, until they are taken away', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      assert.deepEqual(await park(one, 'u1', ['a', 'b', 'c']), ['parked', 'parked', 'parked'])
      assert.deepEqual(await textsFor(one, 'u1'), ['a', 'b', 'c'])
      assert.deepEqual((await appliedTo(one, node, [userHere('u2'), userHere('u1')])).parked, ['u1'])
      assert.deepEqual(await textsFor(one, 'u1'), ['a', 'b', 'c'])
      const [first, second, third] = await one.parkedFor(asUid('u1'))
      await one.unpark(asUid('u1'), [first!.position, third!.position])
      assert.deepEqual(await textsFor(one, 'u1'), ['b'])
      assert.deepEqual((await appliedTo(one, node, [userHere('u1')])).parked, ['u1'])
      await one.unpark(asUid('u1'), [second!.position])
      assert.deepEqual((await appliedTo(one, node, [userHere('u1')])).parked, [])
      await one.unpark(asUid('u1'), [])
    })

    it('keeps nothing for a user who is on a node, unless that is only the ignored node', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const [a, b] = [await joined(one), await joined(two)]
      await one.apply(a, [userHere('u1')])
      assert.deepEqual(await park(two, 'u1', ['x']), ['found'])
      assert.deepEqual(await park(two, 'u1', ['x'], a), ['parked'])
      await two.apply(b, [userHere('u1')])
      assert.deepEqual(await park(two, 'u1', ['y'], a), ['found'])
      await one.apply(a, [userGone('u1')])
      await two.apply(b, [userGone('u1')])
      assert.deepEqual(await park(two, 'u1', ['z']), ['parked'])
    })

    it('does not name a user who leaves, or who is already on no node', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const node = await joined(one)
      await park(one, 'u1', ['x'])
      assert.deepEqual((await appliedTo(one, node, [userGone('u1')])).parked, [])
    })

    // Invariant P3: a push is parked once, and taken away only as it was read.
    it('stores each push once for each user, whoever brings it', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      assert.deepEqual(await park(one, 'u1', ['a', 'b', 'a']), ['parked', 'parked', 'parked'])
      assert.deepEqual(await park(two, 'u1', ['b', 'c']), ['parked', 'parked'])
      assert.deepEqual(await textsFor(one, 'u1'), ['a', 'b', 'c'])
    })

    it('does not take away a message that was parked again since it was read, and keeps its place', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await park(one, 'u1', ['a', 'b', 'c'])
      await park(one, 'u2', ['a'])
      const read = (await one.parkedFor(asUid('u1'))).map(({ position }) => position)
      await park(one, 'u1', ['a', 'b'])
      await one.unpark(asUid('u1'), read)
      assert.deepEqual(await textsFor(one, 'u1'), ['a', 'b'])
      const again = (await one.parkedFor(asUid('u1'))).map(({ position }) => position)
      await one.unpark(asUid('u1'), again)
      assert.deepEqual(await textsFor(one, 'u1'), [])
      assert.deepEqual(await textsFor(one, 'u2'), ['a'])
    })

    // Invariant P2: parking is bounded.
    it('takes 100 messages for each user', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const texts = Array.from({ length: 102 }, (_, index) => `m${index}`)
      const answers = await park(one, 'u1', texts)
      assert.deepEqual(answers.slice(98), ['parked', 'parked', 'full', 'full'])
      assert.deepEqual(await textsFor(one, 'u1'), texts.slice(0, 100))
      assert.deepEqual(await park(one, 'u2', ['x']), ['parked'])
    })

    it('keeps a message for as long as it was asked to, and no longer, whoever else waits for it', async (t) => {
      const one = stage(t, candidate(), calm).state()
      await park(one, 'u1', ['first'])
      await park(one, 'u1', ['brief'], undefined, 40)
      await park(one, 'u1', ['last'])
      // In Redis both users are in one partition, so that they share the message.
      await park(one, 'u165', ['brief'])
      await until('its time is over', async () => (await textsFor(one, 'u1')).length === 2)
      assert.deepEqual(await textsFor(one, 'u1'), ['first', 'last'])
      assert.deepEqual(await textsFor(one, 'u165'), ['brief'])
    })

    it('has room again once the time of a message is over, and never shortens it', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const texts = Array.from({ length: 100 }, (_, index) => `m${index}`)
      await park(one, 'u1', texts, undefined, 500)
      await park(one, 'u1', ['m7'])
      await park(one, 'u1', ['m7'], undefined, 1)
      await until('there is room', async () => (await park(one, 'u1', ['late']))[0] === 'parked')
      await until('the others are gone', async () => (await textsFor(one, 'u1')).length <= 2)
      assert.deepEqual(await textsFor(one, 'u1'), ['m7', 'late'])
    })

    // Invariant P1: parking is one step with binding.
    it('loses no message while its user is being bound: either the binding names the user, or parking finds the user', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const node = await joined(one)
      for (let round = 0; round < 50; round++) {
        const uid = `u${round}`
        const [applied, [parked]] = await Promise.all([appliedTo(one, node, [userHere(uid)]), park(two, uid, ['x'])])
        assert.equal(applied.parked.length === 1, parked === 'parked', `${parked} and ${applied.parked.length} named`)
      }
    })
  })
}

async function park(
  state: Parking,
  uid: string,
  texts: readonly string[],
  ignored?: NodeId,
  keepFor?: number,
): Promise<string[]> {
  const users = [{ uid: asUid(uid), stamp: 1 }]
  const parcels = texts.map((text) => ({ id: asPushId(`id ${text}`), bytes: bytesOf(text), users, keepFor }))
  return (await state.park(parcels, ignored)).flat()
}

async function textsFor(state: Parking, uid: string): Promise<string[]> {
  return (await state.parkedFor(asUid(uid))).map(({ bytes }) => Buffer.from(bytes).toString())
}
