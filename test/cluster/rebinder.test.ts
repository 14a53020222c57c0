import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { until } from '../support/until.ts'
import { driverWith, trusting } from './words.ts'

const UIDS = Array.from({ length: 20 }, (_, index) => `u${index}`)

// Invariant R14: a node writes again whatever the store may have forgotten.
test('if the store may have forgotten something, everybody is written again before the next heartbeat', async (t) => {
  let lose!: () => void
  const written = new Set<string>()
  const driver = driverWith(memory(), {
    state: (state) => ({
      onLoss: (listener) => void (lose = listener),
      apply: (...given: Parameters<State['apply']>) => {
        for (const change of given[1]) if (change.type === 'user') written.add(change.uid)
        return state.apply(...given)
      },
    }),
  })
  const server = createServer({
    modules: [trusting],
    driver,
    logger: silent,
    heartbeat: 600_000,
    deadAfter: 6_000_000,
  })
  const url = await server.listen(0)
  const clients = await Promise.all(UIDS.map((uid) => connect(`${url}/ws?uid=${uid}`)))
  t.after(async () => {
    for (const client of clients) client.close()
    await server.close({ timeout: 100 })
  })
  written.clear()
  lose()
  await until('all are written', () => written.size === UIDS.length, { timeout: 20_000 })
  assert.deepEqual([...written].sort(), [...UIDS].sort())
})
