import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memory } from '../../src/drivers/memory/memory.ts'
import { parseAddress } from '../../src/drivers/redis/connection/address.ts'
import { RedisClient } from '../../src/drivers/redis/connection/client.ts'
import { parseOptions } from '../../src/settings.ts'
import { freePort } from '../support/free-port.ts'

const ROUNDS = 4
const AT_ONCE = 5_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('commands that waited in vain for a Redis that is away leave nothing behind', async (t) => {
  const address = parseAddress(`redis://127.0.0.1:${await freePort()}`)
  const client = new RedisClient({ address, hasServed: true }, parseOptions({ modules: [], driver: memory() }), 'state')
  t.after(() => client.close())
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
