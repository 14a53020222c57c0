import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Command, Redis } from 'ioredis'
import { redis } from '../../src/drivers/redis/redis.ts'
import { PARTITION_COUNT } from '../../src/envelope/ids.ts'
import { userHere } from '../contracts/routes/words.ts'
import { asUid, calm, joined, stage } from '../contracts/stage.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'

const USERS = 10_000

let cluster: RedisCluster
before(async () => {
  cluster = await startCluster([], { replicas: false })
})
after(() => cluster.stop())

test('a lookup of thousands of users in a cluster is a command for each slot, and no key is looked at for its slot', async (t) => {
  const one = stage(t, { driver: redis({ url: cluster.url }) }, calm).state()
  const node = await joined(one)
  const uids = Array.from({ length: USERS }, (_, index) => asUid(`ü${index}`))
  const here = uids.filter((_, index) => index % 10 === 0)
  await one.apply(
    node,
    here.map((uid) => userHere(uid)),
  )
  const masters = cluster.servers.map(({ url }) => new Redis(url))
  t.after(() => {
    for (const master of masters) master.disconnect()
  })
  await Promise.all(masters.map((master) => master.config('RESETSTAT')))
  let keysLookedAt = 0
  const { getKeys } = Command.prototype
  Command.prototype.getKeys = function (this: Command) {
    const keys = getKeys.call(this)
    keysLookedAt += keys.length
    return keys
  }
  const { uids: routes } = await one.locate({ uids, groups: [], connections: [] }).finally(() => {
    Command.prototype.getKeys = getKeys
  })
  assert.equal(keysLookedAt, 0)
  const stats = await Promise.all(masters.map((master) => master.info('commandstats')))
  const counts = [...stats.join('\n').matchAll(/cmdstat_(mget|get|evalsha):calls=(\d+)/g)]
  assert.deepEqual([...new Set(counts.map(([, name]) => name))], ['mget'])
  assert.equal(
    counts.reduce((sum, [, , calls]) => sum + Number(calls), 0),
    PARTITION_COUNT,
  )
  assert.deepEqual(
    routes.flatMap(({ nodes }, index) => (nodes.length === 1 ? uids[index]! : [])),
    here,
  )
})
