import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { startCluster } from '../support/redis-cluster.ts'
import { startSentinels } from '../support/redis-sentinel.ts'

test('three sentinels put the replica in the place of a master that was killed', async (t) => {
  const trio = await startSentinels()
  t.after(() => trio.stop())
  const { master, replica } = await trio.roles()
  await master.kill9()
  await trio.failedOver(master)
  assert.equal((await trio.roles()).master, replica)
})

test('a cluster puts a replica in the place of a master that stands still, and moves slots', async (t) => {
  const cluster = await startCluster()
  t.after(() => cluster.stop())
  const master = await cluster.masterOf('a')
  const replica = await cluster.replicaOf(master)
  const raw = new Redis(replica.url)
  t.after(() => raw.disconnect())
  master.pause()
  await cluster.failedOver('a', master)
  assert.equal(await cluster.masterOf('a'), replica)
  master.resume()
  await raw.set('a', '1')
  const other = await cluster.masterOf('b')
  assert.notEqual(other, replica)
  await cluster.move('a', other)
  assert.equal(await cluster.masterOf('a'), other)
})
