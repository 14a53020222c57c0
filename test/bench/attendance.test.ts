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

test('who was there all the time that a push took is owed it, on whichever connection', () => {
  const register = new Register(pushes)
  register.note(row('ready', 0, 5))
  register.note(row('message', 0, 13, 10))
  register.note(row('left', 0, 25))
  // Called before it left, and come when it was back.
  register.note(row('ready', 0, 28))
  register.note(row('message', 0, 29, 20))
  register.note(row('message', 0, 33, 30))
  register.note(row('message', 0, 34, 30))
  const { latencies, ...counts } = register.close()
  deepEqual(counts, { owedCount: 4, lostCount: 1, repeatedCount: 1, afterReturnCount: 1 })
  deepEqual([...latencies], [3, 3])
})

test('who left before a push had resolved is not owed it', () => {
  const register = new Register(pushes)
  register.note(row('ready', 0, 15))
  register.note(row('left', 0, 21))
  const { owedCount, lostCount } = register.close()
  equal(owedCount, 0)
  equal(lostCount, 0)
})
