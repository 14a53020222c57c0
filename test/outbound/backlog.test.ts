import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Overflow } from '../../src/api.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { Backlog, newCounters, type OverflowRules } from '../../src/outbound/backlog.ts'
import { type EncodedMessage, OutboundMessage } from '../../src/outbound/outbound-message.ts'

/** A frame of ten bytes. */
const frame = (digit: number, key?: string): EncodedMessage =>
  new OutboundMessage(encodePayload(String(digit).repeat(8)), key).frame
const rulesOf = (overflow: Overflow): OverflowRules => ({ maxBuffered: 30, overflow, counters: newCounters() })
/** A backlog whose client has had a turn of the event loop to read in. */
async function lagging(rules: OverflowRules): Promise<Backlog> {
  const backlog = new Backlog(rules)
  await nextTurn()
  return backlog
}
const textOf = ({ bytes }: EncodedMessage): string => bytes.toString('utf8', 2, 3)
const rest = (backlog: Backlog): string =>
  backlog
    .take(1_000)
    .map((waiting) => textOf(waiting))
    .join('')

test('close: a message that has no room is refused, and those that wait stay', async () => {
  const backlog = await lagging(rulesOf('close'))
  const taken = [1, 2, 3, 4].map((digit) => backlog.add(frame(digit), 0))
  assert.deepEqual(taken, ['kept', 'kept', 'kept', 'full'])
  assert.equal(backlog.byteCount, 30)
  assert.equal(rest(backlog), '123')
})

test('bytes that the socket holds count as well', async () => {
  const backlog = await lagging(rulesOf('close'))
  assert.deepEqual([backlog.add(frame(1), 15), backlog.add(frame(2), 15)], ['kept', 'full'])
})

test('dropNewest: a message that has no room is dropped and counted', async () => {
  const rules = rulesOf('dropNewest')
  const backlog = await lagging(rules)
  for (const digit of [1, 2, 3, 4, 5]) backlog.add(frame(digit), 0)
  assert.equal(rules.counters.droppedCount, 2)
  assert.equal(rest(backlog), '123')
})

test('dropOldest: the oldest messages are dropped to make room, and counted', async () => {
  const rules = rulesOf('dropOldest')
  const backlog = await lagging(rules)
  for (const digit of [1, 2, 3, 4, 5]) assert.equal(backlog.add(frame(digit), 0), 'kept')
  assert.equal(rules.counters.droppedCount, 2)
  assert.equal(backlog.byteCount, 30)
  assert.equal(rest(backlog), '345')
})

test('collapse: a message replaces an older one with the same key, and goes to the end', async () => {
  const rules = rulesOf('collapse')
  const backlog = await lagging(rules)
  backlog.add(frame(1, 'price'), 0)
  backlog.add(frame(2, 'volume'), 0)
  for (const digit of [3, 4, 5]) assert.equal(backlog.add(frame(digit, 'price'), 0), 'kept')
  assert.equal(rules.counters.collapsedCount, 3)
  assert.equal(rest(backlog), '25')
})

test('collapse: messages without a key are not silently dropped', async () => {
  const rules = rulesOf('collapse')
  const backlog = await lagging(rules)
  const taken = [1, 2, 3, 4].map((digit) => backlog.add(frame(digit), 0))
  assert.deepEqual(taken, ['kept', 'kept', 'kept', 'full'])
  assert.equal(rules.counters.droppedCount, 0)
})

test('the other policies ignore keys', async () => {
  const backlog = await lagging(rulesOf('dropNewest'))
  for (const digit of [1, 2]) backlog.add(frame(digit, 'price'), 0)
  assert.equal(rest(backlog), '12')
})

test('a message that is larger than the bound is kept if nothing else waits', async () => {
  for (const overflow of ['close', 'dropNewest', 'dropOldest', 'collapse'] as const) {
    const backlog = await lagging(rulesOf(overflow))
    assert.equal(backlog.add(new OutboundMessage(encodePayload('x'.repeat(100))).frame, 0), 'kept')
  }
})

test('messages are taken out in runs, oldest first, at least one at a time', async () => {
  const backlog = await lagging(rulesOf('close'))
  for (const digit of [1, 2, 3]) backlog.add(frame(digit), 0)
  assert.deepEqual(backlog.take(25).map(textOf), ['1', '2'])
  assert.equal(backlog.byteCount, 10)
  assert.deepEqual(backlog.take(1).map(textOf), ['3'])
  assert.deepEqual(backlog.take(1), [])
  assert.equal(backlog.byteCount, 0)
})

test('messages of one turn of the event loop are all kept, because the client could not read any yet', async () => {
  for (const overflow of ['close', 'dropNewest', 'dropOldest', 'collapse'] as const) {
    const backlog = new Backlog(rulesOf(overflow))
    for (const digit of [1, 2, 3, 4, 5]) assert.equal(backlog.add(frame(digit), 0), 'kept')
    assert.equal(backlog.byteCount, 50)
    await nextTurn()
    assert.equal(
      backlog.add(frame(6), 0),
      overflow === 'dropNewest' ? 'dropped' : overflow === 'dropOldest' ? 'kept' : 'full',
    )
  }
})
