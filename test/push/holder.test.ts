import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import { Emitter } from '../../src/emitter.ts'
import { silent } from '../../src/logger.ts'
import { driverWith } from '../cluster/words.ts'
import { userHere } from '../contracts/routes/words.ts'
import { joined } from '../contracts/stage.ts'
import { until } from '../support/until.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000, maxInboxBytes: 1_024 * 1_024, logger: silent }

/** An emitter, and a user who is listed on a node that is gone. */
async function startStage(t: TestContext, storeWait: number) {
  const store = memory()
  const settings = { ...SETTINGS, storeWait }
  let parkCount = 0
  const driver = driverWith(store, {
    state: (state) => ({
      park: (...args) => {
        parkCount++
        return state.park(...args)
      },
    }),
  })
  const state = store.state(settings)
  const emitter = new Emitter({ ...SETTINGS, storeWait, driver })
  t.after(() => Promise.all([emitter.close(), state.close()]))
  const [gone, other] = [await joined(state), await joined(state)]
  // Its inbox was never opened, so whatever is sent there finds it closed.
  await state.apply(gone, [userHere('u')])
  await state.evict(gone, 'evicted', other)
  const push = emitter.push({ uid: ['u', 'v'] }, 'x', { hold: 60_000, id: 'order-1' })
  return { state, gone, push, emitter, asked: () => parkCount }
}

// Invariant P6: parked, or found.
test('a push for a user of a node that is gone is held once that node is in no route any more', async (t) => {
  const { state, gone, push, asked } = await startStage(t, 60_000)
  await until('it was found there again and again', () => asked() > 3)
  await state.fence(gone)
  await state.unlist(gone)
  const { nodeCount, offline, held } = await push
  assert.deepEqual([nodeCount, offline.toSorted(), held?.toSorted()], [0, ['u', 'v'], ['u', 'v']])
})

test('a push that cannot be held in time fails, and may be made again with its id', async (t) => {
  const { state, gone, push, emitter } = await startStage(t, 300)
  await assert.rejects(push, {
    code: 'FLT_STORE_AWAY',
    retry: true,
    message: /could not be held .* on a node that is gone/,
  })
  await state.fence(gone)
  await state.unlist(gone)
  const again = await emitter.push({ uid: ['u', 'v'] }, 'x', { hold: 60_000, id: 'order-1' })
  assert.deepEqual(again.held?.toSorted(), ['u', 'v'])
})
