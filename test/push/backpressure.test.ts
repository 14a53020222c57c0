import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Backpressure } from '../../src/push/backpressure.ts'

const overloaded = { name: 'FlotillaError', code: 'FLT_OVERLOADED', retry: true, message: /maxWaitingBytes/ }

/** Pieces of work that enter the backpressure. Each ends when the test says so. */
class Work {
  readonly #backpressure: Backpressure
  readonly started: number[] = []
  readonly #sizes = new Map<number, number>()

  constructor(backpressure: Backpressure) {
    this.#backpressure = backpressure
  }

  begin(name: number, size: number): Promise<void> {
    this.#sizes.set(name, size)
    const start = (): Promise<void> => Promise.resolve(void this.started.push(name))
    return this.#backpressure.enter(size) ? start() : this.#backpressure.wait(size, start)
  }

  end(name: number): void {
    this.#backpressure.leave(this.#sizes.get(name)!)
  }
}

test('what has no room waits for it, and starts the moment there is some', async () => {
  const backpressure = new Backpressure(100, 5_000)
  const work = new Work(backpressure)
  await work.begin(0, 60)
  const waiting = [work.begin(1, 60), work.begin(2, 10)]
  assert.deepEqual([work.started, backpressure.bytes], [[0], 60], 'a small one does not overtake')
  work.end(0)
  assert.deepEqual([work.started, backpressure.bytes], [[0, 1, 2], 70])
  await Promise.all(waiting)
  assert.deepEqual([backpressure.delayedCount, backpressure.refusedCount], [2, 0])
})

test('what is larger than the whole bound goes alone', async () => {
  const backpressure = new Backpressure(100, 5_000)
  const work = new Work(backpressure)
  await work.begin(0, 1_000)
  const large = work.begin(1, 2_000)
  assert.deepEqual(work.started, [0])
  work.end(0)
  assert.deepEqual(work.started, [0, 1])
  const small = work.begin(2, 1)
  assert.deepEqual(work.started, [0, 1])
  work.end(1)
  assert.deepEqual(work.started, [0, 1, 2])
  await Promise.all([large, small])
})

test('what finds no room in time is refused, and holds up nobody behind it', async () => {
  const backpressure = new Backpressure(100, 30)
  const work = new Work(backpressure)
  await work.begin(0, 90)
  const began = performance.now()
  await Promise.all([assert.rejects(work.begin(1, 50), overloaded), assert.rejects(work.begin(2, 50), overloaded)])
  assert.ok(performance.now() - began >= 29, 'not before its time')
  assert.deepEqual([backpressure.bytes, backpressure.delayedCount, backpressure.refusedCount], [90, 2, 2])
  await work.begin(3, 10)
  work.end(0)
  work.end(3)
  assert.deepEqual([work.started, backpressure.bytes], [[0, 3], 0])
})

test('once a large one was refused, the small ones behind it that fit go at once', async () => {
  const backpressure = new Backpressure(100, 60)
  const work = new Work(backpressure)
  await work.begin(0, 90)
  const large = assert.rejects(work.begin(1, 50), overloaded)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const small = work.begin(2, 5)
  await large
  assert.deepEqual(work.started, [0, 2])
  await small
})

test('idle once nothing waits for the store, nor for room', async () => {
  const backpressure = new Backpressure(100, 5_000)
  const work = new Work(backpressure)
  await backpressure.idle()
  await work.begin(0, 90)
  const waiting = work.begin(1, 50)
  let isIdle = false
  const idle = backpressure.idle().then(() => (isIdle = true))
  work.end(0)
  await waiting
  assert.equal(isIdle, false)
  work.end(1)
  await idle
})

test('no more than as many bytes again wait for room: the rest is refused at once', async () => {
  const backpressure = new Backpressure(100, 5_000)
  const work = new Work(backpressure)
  await work.begin(0, 100)
  const waiting = [work.begin(1, 60), work.begin(2, 40)]
  await assert.rejects(work.begin(3, 1), overloaded)
  assert.deepEqual([backpressure.delayedCount, backpressure.refusedCount], [2, 1])
  work.end(0)
  await Promise.all(waiting)
})

// Invariant D10: a publisher that is faster than the store is slowed down, then told.
test('whatever comes and goes, it keeps to its bound and to the order', async () => {
  const steps = fc.array(fc.record({ size: fc.integer({ min: 1, max: 150 }), ends: fc.nat({ max: 3 }) }))
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const backpressure = new Backpressure(100, 5_000)
      const work = new Work(backpressure)
      const outcomes: Promise<unknown>[] = []
      let ended = 0
      const endOne = (): void => void (ended < work.started.length && work.end(work.started[ended++]!))
      for (const [name, { size, ends }] of run.entries()) {
        outcomes.push(work.begin(name, size).catch(() => 'refused'))
        assert.ok(backpressure.bytes <= 100 || work.started.length - ended === 1)
        for (let n = 0; n < ends; n++) endOne()
      }
      while (ended < work.started.length) endOne()
      const refused = (await Promise.all(outcomes)).filter((outcome) => outcome === 'refused').length
      assert.deepEqual([backpressure.bytes, refused], [0, backpressure.refusedCount])
      assert.equal(work.started.length + refused, run.length)
      assert.deepEqual(
        work.started,
        work.started.toSorted((a, b) => a - b),
      )
    }),
  )
})
