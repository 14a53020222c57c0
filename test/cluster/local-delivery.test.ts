import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { elapse, until } from '../support/until.ts'
import { driverWith, trusting } from './words.ts'

const SETTINGS = { prefix: 'p', heartbeat: 50, deadAfter: 200, storeWait: 60_000 }

// Invariants D5, N8: a node that is not sure of its lease asks before it delivers to its own connections.
test('what a node pushes to its own connections after its lease may have run out waits until the store was asked', async (t) => {
  let isHeld = false
  let askedCount = 0
  let letGo!: () => void
  const gate = new Promise<void>((resolve) => (letGo = resolve))
  const driver = driverWith(memory(), {
    state: (state) => ({
      renew: async (...renewal) => {
        if (isHeld) {
          askedCount++
          await gate
        }
        return state.renew(...renewal)
      },
    }),
  })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const client = await connect(`${await server.listen(0)}/ws?uid=u`)
  t.after(() => {
    letGo()
    client.close()
    return server.close({ timeout: 100 })
  })
  isHeld = true
  await until('a heartbeat waits for the store', () => askedCount === 1)
  await elapse(SETTINGS.deadAfter)
  const pushed = Promise.all(['first', 'second'].map((text) => server.cluster.push({ uid: 'u' }, text)))
  await until('the node asks, or delivers', () => askedCount === 2 || client.received.length > 0)
  assert.deepEqual(client.received, [])
  letGo()
  await pushed
  await until('both have come', () => client.received.length === 2)
  assert.deepEqual(client.received, ['first', 'second'])
})
