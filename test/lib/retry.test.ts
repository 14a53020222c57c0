import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retry } from '../../src/lib/retry.ts'

const never = (): boolean => false

test('what fails is done again until it succeeds, and each failure is told', async () => {
  const failures: unknown[] = []
  let attempts = 0
  const work = async (): Promise<string> => {
    attempts++
    if (attempts < 3) throw new Error(`attempt ${attempts}`)
    return 'done'
  }
  const onFailure = (error: unknown): void => void failures.push(String(error))
  assert.equal(await retry(work, { pause: 1, isOver: never, onFailure }), 'done')
  assert.deepEqual(failures, ['Error: attempt 1', 'Error: attempt 2'])
})

test('between two attempts it pauses', async () => {
  const began = performance.now()
  let attempts = 0
  const work = async (): Promise<void> => {
    if (attempts++ === 0) throw new Error('not yet')
  }
  await retry(work, { pause: 30, isOver: never, onFailure: () => {} })
  assert.ok(performance.now() - began >= 29)
})

test('it ends, with nothing, once nobody needs it any more', async () => {
  let attempts = 0
  const work = (): Promise<string> => {
    attempts++
    return Promise.reject(new Error('never'))
  }
  assert.equal(await retry(work, { pause: 1, isOver: () => attempts === 2, onFailure: () => {} }), undefined)
  assert.equal(attempts, 2)
  assert.equal(await retry(work, { pause: 1, isOver: () => true, onFailure: () => {} }), undefined)
  assert.equal(attempts, 2)
})
