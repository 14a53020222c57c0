import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { createServer, type Server } from '../../src/index.ts'
import { freePort } from '../support/free-port.ts'
import { elapse } from '../support/until.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

async function startWithoutStore(t: TestContext): Promise<Server> {
  const driver = redis({ url: `redis://127.0.0.1:${await freePort()}` })
  const server = createServer({ modules: [], driver, connectTimeout: 1, storeWait: 100 })
  t.after(() => server.close())
  return server
}

/** In a function of its own, so that no variable of the test keeps the promise alive. */
async function waitInVain(server: Server): Promise<WeakRef<Promise<void>>> {
  const ready = server.ready()
  await assert.rejects(ready, { code: 'FLT_STORE_AWAY' })
  return new WeakRef(ready)
}

test('a caller that waited in vain for a store that is away is not kept in memory', async (t) => {
  const server = await startWithoutStore(t)
  const waited = await Promise.all(Array.from({ length: 100 }, () => waitInVain(server)))
  // A weak reference that was read stays alive until the end of the turn.
  await elapse(0)
  collectGarbage()
  const kept = waited.filter((ref) => ref.deref() !== undefined)
  assert.ok(kept.length < 10, `${kept.length} of ${waited.length} are still there`)
})

test('a caller that waits for the store is told when the server is closed', async (t) => {
  const driver = redis({ url: `redis://127.0.0.1:${await freePort()}` })
  const server = createServer({ modules: [], driver, connectTimeout: 60_000, storeWait: 100 })
  t.after(() => server.close())
  const [one, other] = [server.ready(), server.ready()]
  const told = Promise.all([assert.rejects(one, { code: 'FLT_CLOSED' }), assert.rejects(other, { code: 'FLT_CLOSED' })])
  await server.close()
  await told
  await assert.rejects(server.ready(), { code: 'FLT_CLOSED' })
})

test('an emitter that is closed during its first query stops watching the nodes', async () => {
  let lookCount = 0
  const real = memory()
  const driver: Driver = {
    queue: (settings) => real.queue(settings),
    state(settings) {
      const state = real.state(settings)
      const nodes = state.nodes.bind(state)
      state.nodes = () => {
        lookCount++
        return nodes()
      }
      return state
    },
  }
  const emitter = new Emitter({ driver, heartbeat: 20, deadAfter: 60 })
  const asked = emitter.isOnline('u')
  await emitter.close()
  await asked.catch(() => {})
  const before = lookCount
  await elapse(200)
  assert.equal(lookCount, before)
})
