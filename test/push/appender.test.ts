import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch, PushEnvelope } from '../../src/envelope/envelope.ts'
import type { NodeId, PushId } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { Appender, type Outcome } from '../../src/push/appender.ts'
import { until } from '../support/until.ts'

const MIB = 2 ** 20

/** An appender that records what it appends. Each append is under way until the test answers it. */
class Stage {
  readonly batches: Batch[] = []
  readonly appender: Appender
  settledCount = 0
  #answers: ((outcome: Outcome) => void)[] = []

  constructor() {
    this.appender = new Appender('node-1' as NodeId, 'publisher', (batch) => {
      this.batches.push(batch)
      return new Promise((resolve) => this.#answers.push(resolve))
    })
  }

  add(id: string, size = 1): void {
    const push: PushEnvelope = {
      type: 'push',
      id: id as PushId,
      to: { type: 'all' },
      payload: encodePayload('x'.repeat(size)),
      hops: 0,
      resent: false,
    }
    this.appender.add(push, { settle: () => this.settledCount++ })
  }

  get underWay(): number {
    return this.#answers.length
  }

  answer(): void {
    this.#answers.shift()!({ type: 'stored', nodeCount: 1 })
  }

  idsOf(index: number): string[] {
    return this.batches[index]!.envelopes.map((envelope) => (envelope as PushEnvelope).id)
  }

  /** Answers until everything was appended. */
  async drain(count: number): Promise<void> {
    await until('all are stored', () => {
      if (this.underWay > 0) this.answer()
      return this.settledCount === count
    })
  }
}

// Invariant D2: one append is under way for each publisher and inbox.
test('one append is under way at a time, and what comes meanwhile goes together, in order', async () => {
  const stage = new Stage()
  stage.add('1')
  await until('the first is under way', () => stage.underWay === 1)
  for (const id of ['2', '3', '4']) stage.add(id)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(stage.batches.length, 1)
  stage.answer()
  await until('the second is under way', () => stage.underWay === 1)
  assert.deepEqual([stage.idsOf(0), stage.idsOf(1)], [['1'], ['2', '3', '4']])
  assert.deepEqual(
    stage.batches.map(({ seq }) => seq),
    [1, 2],
  )
  stage.answer()
})

// Invariant B8: a batch has a MiB at most, or one larger envelope.
test('an append carries a MiB at most, or one larger envelope', async () => {
  const stage = new Stage()
  const sizes = [...Array.from({ length: 40 }, () => 64 * 1024), 3 * MIB, 10]
  for (const [index, size] of sizes.entries()) stage.add(String(index), size)
  await stage.drain(sizes.length)
  assert.deepEqual(
    stage.batches.flatMap((_, index) => stage.idsOf(index)),
    sizes.map((_, index) => String(index)),
  )
  for (const { envelopes } of stage.batches) {
    const bytes = envelopes.reduce((sum, envelope) => sum + (envelope as PushEnvelope).payload.data.length, 0)
    assert.ok(bytes <= MIB || envelopes.length === 1, `${envelopes.length} envelopes of ${bytes} bytes`)
  }
  assert.ok(stage.batches.length <= 5, `${stage.batches.length} appends`)
})
