import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientConnection } from '../../src/connection/client-connection.ts'
import { Departures } from '../../src/delivery/departures.ts'
import type { ConnectionId, Group, Uid } from '../../src/envelope/ids.ts'
import { stepsIn } from '../support/steps.ts'

const GROUP = 'g' as Group

/** A connection with only the fields that `Departures` reads. */
function member(number: number): ClientConnection {
  return { id: `c${number}` as ConnectionId, uid: `u${number}` as Uid } as ClientConnection
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** The departures of `count` members of a group, stamped from 100 on. */
function departedOf(count: number, limit?: number): Departures {
  const departed = new Departures(limit)
  for (const number of numbers(count)) departed.add(GROUP, member(number))
  for (const number of numbers(count)) departed.stamp(GROUP, member(number).id, 100 + number)
  return departed
}

function uidsSince(departed: Departures, stamp: number, group = GROUP): string[] {
  return departed
    .since({ group, stamp })
    .map(({ uid }) => uid)
    .toSorted()
}

// Invariant R9: whoever has left is remembered as long as earlier pushes may come.
test('a departure counts for a push that was looked up before it, and for no other', () => {
  const departed = departedOf(3)
  assert.deepEqual(uidsSince(departed, 99), ['u0', 'u1', 'u2'])
  assert.deepEqual(uidsSince(departed, 101), ['u2'])
  assert.deepEqual(uidsSince(departed, 102), [])
  assert.deepEqual(uidsSince(departed, 99, 'other' as Group), [])
})

test('a departure that the store has not stamped yet counts as later than every lookup', () => {
  const departed = departedOf(1)
  departed.add(GROUP, member(7))
  assert.deepEqual(departed.unstamped(GROUP), ['c7'])
  assert.deepEqual(uidsSince(departed, 1_000), ['u7'])
  departed.stamp(GROUP, member(7).id, 1_000)
  assert.deepEqual([departed.unstamped(GROUP), uidsSince(departed, 1_000)], [[], []])
})

test('departures may be stamped in another order than they happened in', () => {
  const departed = new Departures()
  for (const number of [1, 2, 3]) departed.add(GROUP, member(number))
  for (const [number, stamp] of [
    [3, 10],
    [1, 11],
    [2, 12],
  ] as const) {
    departed.stamp(GROUP, member(number).id, stamp)
  }
  assert.deepEqual(uidsSince(departed, 10), ['u1', 'u2'])
  assert.deepEqual(uidsSince(departed, 11), ['u2'])
})

test('a departure is forgotten once no push can arrive that was looked up before it, however long that takes', () => {
  const departed = departedOf(10)
  departed.add(GROUP, member(10))
  departed.forgetUpTo(99)
  assert.equal(departed.size, 11)
  departed.forgetUpTo(104)
  assert.equal(departed.size, 6)
  departed.forgetUpTo(1_000)
  assert.deepEqual(
    uidsSince(departed, 0),
    ['u10'],
    'a departure without a stamp is kept, because that is not known of it',
  )
  assert.equal(departed.forgottenCount, 0)
})

test('beyond the bound the oldest departure is forgotten early, and counted', () => {
  const departed = new Departures(3)
  for (const number of numbers(3)) departed.add(GROUP, member(number))
  departed.stamp(GROUP, member(1).id, 5)
  for (const number of [3, 4]) departed.add(`h${number}` as Group, member(number))
  assert.deepEqual(uidsSince(departed, 0), ['u2'])
  departed.stamp(GROUP, member(0).id, 6)
  assert.deepEqual([departed.size, departed.forgottenCount], [3, 2])
})

test('users who have closed one of several connections are found by their uid', () => {
  const departed = new Departures<Uid>()
  const uid = 'u1' as Uid
  departed.add(uid, member(1))
  assert.deepEqual(departed.since({ uid, stamp: 9 }), [{ uid, stamp: 9 }])
  for (const id of departed.unstamped(uid)) departed.stamp(uid, id, 10)
  assert.deepEqual(departed.since({ uid, stamp: 9 }), [{ uid, stamp: 9 }])
  assert.deepEqual(departed.since({ uid, stamp: 10 }), [])
})

test('adding, stamping and querying a departure take as many steps in a large group as in a small one', async () => {
  const perMember = async (count: number): Promise<number> => {
    const steps = await stepsIn('delivery/departures.ts', () => {
      const departed = departedOf(count)
      for (const number of numbers(count)) departed.since({ group: GROUP, stamp: 98 + count - (number % 2) })
      departed.forgetUpTo(100 + count)
      assert.equal(departed.size, 0)
    })
    assert.ok(steps > count, 'steps are counted')
    return steps / count
  }
  const [few, many] = [await perMember(500), await perMember(5_000)]
  assert.ok(many < few * 1.1, `${many.toFixed(1)} steps a member in place of ${few.toFixed(1)}`)
})
