import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodePayload } from '../../src/envelope/payload.ts'
import { newCounters, type OverflowRules } from '../../src/outbound/backlog.ts'
import { Flusher } from '../../src/outbound/flusher.ts'
import { Handover } from '../../src/outbound/handover.ts'
import { OutboundMessage } from '../../src/outbound/outbound-message.ts'
import { Outbox } from '../../src/outbound/outbox.ts'
import { StreamTransport } from '../support/stream-transport.ts'
import { until } from '../support/until.ts'

/** A stream whose other end takes only as much as it is told to take. */
class Line extends Duplex {
  readonly written: string[] = []
  #take: (() => void) | undefined
  readonly #isStalled: boolean

  constructor({ isStalled = false }: { isStalled?: boolean } = {}) {
    super({ highWaterMark: 8 })
    this.#isStalled = isStalled
  }

  drain(): void {
    this.#take?.()
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk.toString('latin1'))
    if (this.#isStalled) this.#take = done
    else done()
  }
}

class Broken extends Line {
  override write(): boolean {
    throw new Error('no such line')
  }
}

const rules: OverflowRules = { maxBuffered: 2 ** 20, overflow: 'close', counters: newCounters() }

function outboxOn(flusher: Flusher, line: Duplex): Outbox {
  const outbox = new Outbox(flusher, rules)
  outbox.open(new StreamTransport(line))
  return outbox
}

const message = (handover?: Handover): OutboundMessage =>
  new OutboundMessage(encodePayload('hi'), undefined, { handover })
const HI = '\x81\x02hi'

test('an error of one connection is reported and ends that connection, and the others still get their messages', async () => {
  const errors: unknown[] = []
  const flusher = new Flusher((error) => errors.push(error))
  const lines = [new Line(), new Broken(), new Line()]
  const handover = new Handover()
  for (const outbox of lines.map((line) => outboxOn(flusher, line))) outbox.push(message(handover))
  await new Promise<void>((resolve) => flusher.whenTaken(handover, resolve))
  assert.deepEqual(
    lines.map(({ written }) => written),
    [[HI], [], [HI]],
  )
  assert.deepEqual(
    [String(errors), lines.map(({ destroyed }) => destroyed)],
    ['Error: no such line', [false, true, false]],
  )
})

test('the same holds for a message that is written at once because it is large', async () => {
  const errors: unknown[] = []
  const flusher = new Flusher((error) => errors.push(error))
  const [broken, other] = [new Broken(), new Line()]
  const large = new OutboundMessage(encodePayload('x'.repeat(100_000)))
  for (const line of [broken, other]) outboxOn(flusher, line).push(large)
  assert.deepEqual([errors.length, broken.destroyed, other.written.length], [1, true, 1])
})

test('a handover is done once the last connection has taken it', async () => {
  const flusher = new Flusher()
  const lines = [new Line(), new Line({ isStalled: true })]
  const outboxes = lines.map((line) => outboxOn(flusher, line))
  const handover = new Handover()
  for (const outbox of outboxes) outbox.push(message(handover))
  let isDone = false
  flusher.whenTaken(handover, () => (isDone = true))
  // In the same turn of the event loop: a later one might come so late that it counts as lag.
  flusher.flush()
  assert.equal(isDone, false)
  lines[1]!.drain()
  await until('it is done', () => isDone)
  assert.equal(rules.counters.laggedCount, 0)
})

test('a connection that lags too long is counted once, and nothing waits for it until it has caught up', async () => {
  const flusher = new Flusher()
  const line = new Line({ isStalled: true })
  const outbox = outboxOn(flusher, line)
  const doneAt: number[] = []
  const handOver = (): void => {
    const handover = new Handover()
    outbox.push(message(handover))
    flusher.whenTaken(handover, () => doneAt.push(performance.now()))
    flusher.flush()
  }
  const began = performance.now()
  handOver()
  assert.equal(doneAt.length, 0, 'the first handover waits for the connection')
  await until('the first is given up', () => doneAt.length === 1)
  assert.ok(doneAt[0]! - began >= 250)
  handOver()
  assert.equal(doneAt.length, 2, 'the second handover does not wait')
  line.drain()
  await until('the second is written', () => line.written.length === 2)
  line.drain()
  await nextTurn()
  handOver()
  assert.equal(doneAt.length, 2, 'the third handover waits again')
  line.drain()
  await until('the third is taken', () => doneAt.length === 3)
  assert.equal(rules.counters.laggedCount, 1)
  rules.counters.laggedCount = 0
})

test('an outbox that closes returns the messages that its socket did not take, in order, and then holds nothing', async () => {
  const flusher = new Flusher()
  const line = new Line({ isStalled: true })
  const outbox = outboxOn(flusher, line)
  const handovers = Array.from({ length: 4 }, () => new Handover())
  const messages = handovers.map((handover) => message(handover))
  outbox.push(messages[0]!)
  await nextTurn()
  line.drain()
  await nextTurn()
  // Next come one message that is written, one that waits behind a full socket, and one that is not flushed yet.
  outbox.push(messages[1]!)
  await nextTurn()
  outbox.push(messages[2]!)
  await nextTurn()
  outbox.push(messages[3]!)
  line.destroy()
  assert.deepEqual(
    outbox.close().map((left) => left.message),
    messages.slice(1),
  )
  let freeCount = 0
  for (const handover of handovers) handover.whenFree(() => freeCount++)
  assert.equal(freeCount, 4)
  assert.deepEqual(outbox.close(), [])
})
