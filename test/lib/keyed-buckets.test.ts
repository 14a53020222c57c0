import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyedBuckets } from '../../src/lib/keyed-buckets.ts'

test('full buckets are forgotten, and there are never more buckets than the maximum', () => {
  const buckets = new KeyedBuckets(1, 2, 1_000)
  for (let n = 0; n < 5_000; n++) assert.equal(buckets.take(`k${n}`, 0), true)
  assert.equal(buckets.size, 1_000)
  for (let n = 0; n < 2_000; n++) buckets.take('one', 1_000 + n)
  assert.equal(buckets.size, 1, 'after a second all of them are full')
  assert.equal(buckets.take('one', 2_999), false, 'a bucket in use is kept')
})
