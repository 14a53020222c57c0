import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import { asRenewed } from '../contracts/nodes/words.ts'
import { joined, stage } from '../contracts/stage.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const HOUR = 3_600_000

const server = new SuiteRedis()

for (const [what, ms] of [
  ['set back by an hour', HOUR],
  ['put forward by an hour', -HOUR],
] as const) {
  test(`when the store's clock is ${what}, nobody is overdue, and a dead node is soon noticed`, async (t) => {
    const { state, settings } = stage(t, { driver: redis({ url: server.url }) })
    const one = state()
    const [silent, node] = [await joined(one), await joined(one)]
    // The clock itself cannot be set, so the values that the store keeps of it are shifted instead.
    await server.raw.hincrby(`${settings.prefix}:{m}:clock`, 'heard', ms)
    assert.deepEqual(asRenewed(await one.renew(node, 0)).overdue, [])
    assert.equal(await one.evict(silent, 'dead', node), 'refused')
    await until('the silent one is overdue', async () => asRenewed(await one.renew(node, 0)).overdue.includes(silent))
    assert.equal(await one.evict(silent, 'dead', node), 'claimed')
  })
}

test('the time that the store keeps may be lost: nobody is overdue, and a dead node is soon noticed', async (t) => {
  const { state, settings } = stage(t, { driver: redis({ url: server.url }) })
  const one = state()
  const [silent, node] = [await joined(one), await joined(one)]
  await server.raw.del(`${settings.prefix}:{m}:clock`)
  assert.deepEqual(asRenewed(await one.renew(node, 0)).overdue, [])
  await until('the silent one is overdue', async () => asRenewed(await one.renew(node, 0)).overdue.includes(silent))
  assert.equal(await one.evict(silent, 'dead', node), 'claimed')
})
