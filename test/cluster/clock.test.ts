import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNode } from '../support/start-node.ts'
import { elapse, until } from '../support/until.ts'
import { DEAD_AFTER, HEARTBEAT, nodesSeenBy, push, startFleet } from './fleet.ts'

/** Shifts `Date` of a process by this many ms; its monotonic clock stays as it is. */
function withClockOff(ms: number): NodeJS.ProcessEnv {
  const script = `const now = Date.now; Date.now = () => now() + ${ms}`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
}

// Invariant K1: the time is the store's alone.
test('a node whose clock is an hour off evicts nobody and is not evicted', async (t) => {
  const fleet = await startFleet(t)
  const args = ['--dev', '--redis', fleet.redis.url, '--heartbeat', `${HEARTBEAT}`, '--dead-after', `${DEAD_AFTER}`]
  const early = await startNode([...args, '--name', 'early'], { env: withClockOff(3_600_000) })
  const late = await startNode([...args, '--name', 'late'], { env: withClockOff(-3_600_000) })
  t.after(() => Promise.all([early.kill9(), late.kill9()]))
  const client = await fleet.connect(late, { uid: 'u' })
  await elapse(DEAD_AFTER + 2 * HEARTBEAT)
  const all = [fleet.a, fleet.b, fleet.c, early, late].map(({ id }) => id)
  for (const node of [fleet.a, early, late]) assert.deepEqual((await nodesSeenBy(node)).toSorted(), all.toSorted())
  await push(early, { uid: 'u', message: 'in time' })
  assert.equal(await client.next(), 'in time')
  await fleet.c.kill9()
  await until('the dead one is gone', async () => !(await nodesSeenBy(early)).includes(fleet.c.id), { every: 50 })
})
