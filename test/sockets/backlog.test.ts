import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Overflow } from '../../src/api.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { Backlog, newCounters, type OverflowRules } from '../../src/sockets/backlog.ts'
import { Frame } from '../../src/sockets/frame.ts'

/** A frame of ten bytes. */
const frame = (digit: number, key?: string): Frame => new Frame(encodePayload(String(digit).repeat(8)), key)
const rulesOf = (overflow: Overflow): OverflowRules => ({ maxBuffered: 30, overflow, counters: newCounters() })
const textOf = ({ bytes }: Frame): string => bytes.toString('utf8', 2, 3)
const rest = (backlog: Backlog): string =>
  backlog
    .take(1_000)
    .map((waiting) => textOf(waiting))
    .join('')

test('close: what has no room is refused, and what waits stays', () => {
  const backlog = new Backlog(rulesOf('close'))
  const taken = [1, 2, 3, 4].map((digit) => backlog.add(frame(digit), 0))
  assert.deepEqual(taken, ['kept', 'kept', 'kept', 'full'])
  assert.equal(backlog.byteCount, 30)
  assert.equal(rest(backlog), '123')
})

test('what the socket holds counts as well', () => {
  const backlog = new Backlog(rulesOf('close'))
  assert.deepEqual([backlog.add(frame(1), 15), backlog.add(frame(2), 15)], ['kept', 'full'])
})

test('dropNewest: what comes too late is dropped, and counted', () => {
  const rules = rulesOf('dropNewest')
  const backlog = new Backlog(rules)
  for (const digit of [1, 2, 3, 4, 5]) backlog.add(frame(digit), 0)
  assert.equal(rules.counters.droppedCount, 2)
  assert.equal(rest(backlog), '123')
})

test('dropOldest: the oldest makes room, and is counted', () => {
  const rules = rulesOf('dropOldest')
  const backlog = new Backlog(rules)
  for (const digit of [1, 2, 3, 4, 5]) assert.equal(backlog.add(frame(digit), 0), 'kept')
  assert.equal(rules.counters.droppedCount, 2)
  assert.equal(backlog.byteCount, 30)
  assert.equal(rest(backlog), '345')
})

test('collapse: the newest takes the place of older ones with its key, at the end', () => {
  const rules = rulesOf('collapse')
  const backlog = new Backlog(rules)
  backlog.add(frame(1, 'price'), 0)
  backlog.add(frame(2, 'volume'), 0)
  for (const digit of [3, 4, 5]) assert.equal(backlog.add(frame(digit, 'price'), 0), 'kept')
  assert.equal(rules.counters.collapsedCount, 3)
  assert.equal(rest(backlog), '25')
})

test('collapse: messages without a key are not dropped in silence', () => {
  const rules = rulesOf('collapse')
  const backlog = new Backlog(rules)
  const taken = [1, 2, 3, 4].map((digit) => backlog.add(frame(digit), 0))
  assert.deepEqual(taken, ['kept', 'kept', 'kept', 'full'])
  assert.equal(rules.counters.droppedCount, 0)
})

test('keys mean nothing to the other policies', () => {
  const backlog = new Backlog(rulesOf('dropNewest'))
  for (const digit of [1, 2]) backlog.add(frame(digit, 'price'), 0)
  assert.equal(rest(backlog), '12')
})

test('a message that is larger than the bound goes where nothing else waits', () => {
  for (const overflow of ['close', 'dropNewest', 'dropOldest', 'collapse'] as const) {
    const backlog = new Backlog(rulesOf(overflow))
    assert.equal(backlog.add(new Frame(encodePayload('x'.repeat(100))), 0), 'kept')
  }
})

test('it is taken out in runs, oldest first, one at least', () => {
  const backlog = new Backlog(rulesOf('close'))
  for (const digit of [1, 2, 3]) backlog.add(frame(digit), 0)
  assert.deepEqual(backlog.take(25).map(textOf), ['1', '2'])
  assert.equal(backlog.byteCount, 10)
  assert.deepEqual(backlog.take(1).map(textOf), ['3'])
  assert.deepEqual(backlog.take(1), [])
  assert.equal(backlog.byteCount, 0)
})
