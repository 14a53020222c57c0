import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { partitionOf } from '../../src/envelope/ids.ts'
import { appliedTo, memberGone, memberHere, routesOf, userGone, userHere } from '../contracts/routes/words.ts'
import { calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

const HOUR = 3_600_000_000

const server = new SuiteRedis()

test('when a clock is set back by an hour, stamps go on from where they were, whoever has left meanwhile', async (t) => {
  const { state, settings } = stage(t, { driver: redis({ url: server.url }) }, calm)
  const one = state()
  const node = await joined(one)
  const keys = new Keys(settings.prefix)
  for (const partition of [partitionOf('u1'), partitionOf('g1')]) {
    // The clock itself cannot be set, so the stamps in the store are moved ahead instead.
    const [epoch, stamp] = (await server.raw.get(keys.epoch(partition)))!.split(' ')
    await server.raw.set(keys.epoch(partition), `${epoch} ${Number(stamp) + HOUR}`)
  }
  const connection = newConnection('u1')
  let { user, group } = await routesOf(one, 'u1', 'g1')
  for (let round = 0; round < 3; round++) {
    for (const changes of [
      [userHere('u1', [connection]), memberHere('g1', connection)],
      [userGone('u1'), memberGone('g1', connection)],
    ]) {
      const { stamps } = await appliedTo(one, node, changes)
      assert.ok(stamps[0]! > user.stamp && stamps[1]! > group.stamp)
      ;({ user, group } = await routesOf(one, 'u1', 'g1'))
      assert.ok(user.stamp >= stamps[0]! && group.stamp >= stamps[1]!)
    }
  }
})

test('a store that came back empty goes on with its clock', async (t) => {
  const one = stage(t, { driver: redis({ url: server.url }) }, calm).state()
  const node = await joined(one)
  const { stamps } = await appliedTo(one, node, [userHere('u1'), userGone('u1')])
  await server.raw.flushall()
  assert.equal((await one.apply(node, [userHere('u1')])).type, 'fenced')
  const again = await appliedTo(one, await joined(one), [userHere('u1')])
  assert.ok(again.stamps[0]! > stamps[1]!)
})

test('a partition that has lost its epoch alone takes no bindings without stamps: its node joins again', async (t) => {
  const { state, settings } = stage(t, { driver: redis({ url: server.url }) }, calm)
  const one = state()
  const node = await joined(one)
  await server.raw.del(new Keys(settings.prefix).epoch(partitionOf('u1')))
  assert.equal((await one.apply(node, [userHere('u1')])).type, 'fenced')
  assert.equal((await one.apply(node, [memberHere('u1', newConnection())])).type, 'fenced')
  assert.equal((await one.apply(await joined(one), [userHere('u1')])).type, 'applied')
})

test('stamps cost a read and a write for each script, however many users it binds', async (t) => {
  const one = stage(t, { driver: redis({ url: server.url }) }, calm).state()
  const node = await joined(one)
  const uids = Array.from({ length: 20_000 }, (_, index) => `u${index}`).filter((uid) => partitionOf(uid) === 7)
  await one.apply(node, [userHere(uids[0]!)])
  const costOf = async (count: number): Promise<Record<string, number>> => {
    await server.raw.config('RESETSTAT')
    await one.apply(
      node,
      uids.slice(0, count).map((uid) => userHere(uid)),
    )
    const stats = await server.raw.info('commandstats')
    return Object.fromEntries(
      [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, name, calls]) => [name!, +calls!]),
    )
  }
  for (const count of [1, 50]) {
    const { evalsha, get, set } = await costOf(count)
    assert.deepEqual({ evalsha, get, set }, { evalsha: 1, get: count + 1, set: count + 1 })
  }
})
