import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { Change } from '../../src/drivers/routes.ts'
import { PARTITION_COUNT, partitionOf } from '../../src/envelope/ids.ts'
import { memberHere, routesOf, userHere } from '../contracts/routes/words.ts'
import { asGroup, calm, joined, newConnection, stage } from '../contracts/stage.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

/** How many users, groups or members one script may be about. */
const MOST = 1_000
const USERS = 3_000
const ROOM = 1_500

const server = new SuiteRedis()

// Invariant K7: a script is about a bounded number of things.
test('after a node with thousands of users, each with a group, calls are counted in partitions, and no script takes long', async (t) => {
  const one = stage(t, { driver: redis({ url: server.url }) }, calm).state()
  const [dead, node] = [await joined(one), await joined(one)]
  const uids = Array.from({ length: USERS }, (_, index) => `u${index}`)
  // One partition has more users than a script takes, and one group has more members.
  const crowd = Array.from({ length: 400_000 }, (_, index) => `c${index}`)
    .filter((uid) => partitionOf(uid) === 7)
    .slice(0, MOST + 100)
  const changes: Change[] = [...uids, ...crowd].flatMap((uid, index) => {
    const connection = newConnection(uid)
    const here = [userHere(uid, [connection]), memberHere(`of ${uid}`, connection)]
    return index < ROOM ? [...here, memberHere('room', connection)] : here
  })
  for (let start = 0; start < changes.length; start += MOST) await one.apply(dead, changes.slice(start, start + MOST))
  await one.apply(node, [userHere('u1'), memberHere('room', newConnection('other'))])
  await one.evict(dead, 'evicted', node)
  await one.fence(dead)

  const log = await StoreCalls.start(server.url)
  const groups = await one.groupsOn(dead)
  await one.clean(dead)
  await log.stop()

  assert.deepEqual([groups.size, groups.get(asGroup('room'))?.length], [USERS + crowd.length + 1, ROOM])
  const [first, last] = [await routesOf(one, 'u1', 'room'), await routesOf(one, crowd.at(-1)!, `of ${crowd.at(-1)}`)]
  assert.deepEqual([first.user.nodes, first.group.nodes, last.user.nodes, last.group.nodes], [[node], [node], [], []])

  // Five calls for each partition: two for its groups, and one each for its users, its members and the cleaning.
  const calls = log.byClients.length
  assert.ok(calls <= 5 * PARTITION_COUNT + 20, `${calls} calls`)
  for (const { name, args } of log.byClients) {
    if (name.startsWith('eval')) assert.ok(Number(args[1]) <= 2 * MOST + 3, `a script with ${args[1]} keys`)
    else assert.match(name, /^(hkeys|smembers|hscan|script)$/)
  }
  const inScripts = log.byScripts.length
  assert.ok(inScripts <= 4 * (USERS + crowd.length), `${inScripts} calls in scripts`)
  for (const { name, args } of log.byScripts) {
    assert.ok(args.length <= MOST + 1, `${name} of ${args.length} in a script`)
    const takesAll = /^(del|hvals|hgetall|hkeys|smembers)$/.test(name)
    assert.ok(!takesAll || !args.some((key) => key.includes(':gm:room:')), `${name} of a large group in a script`)
  }
})

// Invariant N5: nothing is cleaned while its node may still write.
test('nothing of a node is cleaned as long as its markers stand, even if it was evicted', async (t) => {
  const one = stage(t, { driver: redis({ url: server.url }) }, calm).state()
  const [node, other] = [await joined(one), await joined(one)]
  await one.apply(node, [userHere('u'), memberHere('g', newConnection('u'))])
  await one.evict(node, 'evicted', other)
  await one.unlist(node)
  await one.clean(node)
  const before = await routesOf(one, 'u', 'g')
  assert.deepEqual([before.user.nodes, before.group.nodes], [[node], [node]])
  await one.fence(node)
  await one.clean(node)
  const after = await routesOf(one, 'u', 'g')
  assert.deepEqual([after.user.nodes, after.group.nodes], [[], []])
})
