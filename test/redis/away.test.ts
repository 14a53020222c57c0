import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memory } from '../../src/drivers/memory/memory.ts'
import { parseAddress } from '../../src/drivers/redis/connection/address.ts'
import { RedisClient } from '../../src/drivers/redis/connection/client.ts'
import { parseOptions } from '../../src/settings.ts'
import { freePort } from '../support/free-port.ts'
import { StoreProxy } from '../support/store-proxy.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const ROUNDS = 4
const AT_ONCE = 5_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const server = new SuiteRedis()

function openClient(t: TestContext, url: string): RedisClient {
  const store = { address: parseAddress(url), hasServed: true }
  const client = new RedisClient(store, parseOptions({ modules: [], driver: memory() }), 'state')
  t.after(() => client.close())
  return client
}

test('commands that waited in vain for a Redis that is away leave nothing behind', async (t) => {
  const client = openClient(t, `redis://127.0.0.1:${await freePort()}`)
  const ask = (): Promise<void> =>
    assert.rejects(
      client.run((redis) => redis.ping(), 1),
      { code: 'FLT_STORE_AWAY' },
    )
  const askInVain = async (): Promise<number> => {
    for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: AT_ONCE }, ask))
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  // The first round also allocates what is kept for good.
  const before = await askInVain()
  const each = ((await askInVain()) - before) / (ROUNDS * AT_ONCE)
  assert.ok(each < 50, `${each} bytes for each`)
})

// Invariant K2: only we send a command again.
test('a command whose reply was lost is sent again by the client, and by nothing beneath it', async (t) => {
  await using proxy = await StoreProxy.start(Number(new URL(server.url).port))
  const client = openClient(t, proxy.url)
  await client.run((redis) => redis.ping())
  let attempts = 0
  proxy.loseRepliesFrom('runs')
  const runs = client.run((redis) => {
    attempts++
    return redis.incr('runs')
  })
  await until('Redis has run it', async () => (await server.raw.get('runs')) === '1')
  await server.raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  assert.deepEqual([await runs, attempts], [2, 2])
  assert.equal(await server.raw.get('runs'), '2')
})
