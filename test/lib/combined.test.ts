import assert from 'node:assert/strict'
import { test } from 'node:test'
import { combined } from '../../src/lib/combined.ts'

class Counter {
  readonly unit = 'm'
  readonly missing?: () => void
  #count = 0

  add(): number {
    return ++this.#count
  }
}

test('what is combined has the methods of all its parts, each with its own part behind it, and their fields', () => {
  const counter = new Counter()
  const all = combined(counter, { close: () => 'closed' })
  const { add } = all
  assert.equal(add(), 1)
  assert.equal(counter.add(), 2)
  assert.equal(all.unit, 'm')
  assert.equal(all.close(), 'closed')
})

test('what a part does not have is not there', () => {
  const all = combined(new Counter(), {})
  assert.deepEqual(Object.keys(all), ['unit', 'add'])
})
