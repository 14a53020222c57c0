import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atMost, withDeadline } from '../../src/lib/deadline.ts'

const never = new Promise<never>(() => {})
const late = (): Error => new Error('late')

test('what comes in time is what it comes to, a failure included', async () => {
  assert.equal(await withDeadline(Promise.resolve('done'), 60_000, late), 'done')
  await assert.rejects(withDeadline(Promise.reject(new Error('broken')), 60_000, late), /broken/)
  await atMost(60_000, Promise.resolve('done'))
  await assert.rejects(atMost(60_000, Promise.reject(new Error('broken'))), /broken/)
})

test('what does not come in time fails, or is not waited for', async () => {
  await assert.rejects(withDeadline(never, 5, late), /late/)
  await atMost(5, never)
})
