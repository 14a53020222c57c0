import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { Register } from '../../lab/bench/scenarios/attendance.ts'

const pushes = [10, 20, 30, 40].map((calledAt) => ({ calledAt, settledAt: calledAt + 2 }))
const row = (event: 'ready' | 'left' | 'message', place: number, at: number, sentAt = 0) => ({
  event,
  place,
  at,
  sentAt,
})

test('a member who was there from the call of a push until it resolved is owed a copy, on any connection', () => {
  const register = new Register(pushes)
  register.note(row('ready', 0, 5))
  register.note(row('message', 0, 13, 10))
  register.note(row('left', 0, 25))
  // The push at 20 was called before the member left, and arrives after it came back.
  register.note(row('ready', 0, 28))
  register.note(row('message', 0, 29, 20))
  register.note(row('message', 0, 33, 30))
  register.note(row('message', 0, 34, 30))
  const { latencies, ...counts } = register.close()
  deepEqual(counts, { owedCount: 4, lostCount: 1, repeatedCount: 1, afterReturnCount: 1 })
  deepEqual([...latencies], [3, 3])
})

test('a member who left before a push resolved is not owed a copy', () => {
  const register = new Register(pushes)
  register.note(row('ready', 0, 15))
  register.note(row('left', 0, 21))
  const { owedCount, lostCount } = register.close()
  equal(owedCount, 0)
  equal(lostCount, 0)
})
