import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { connect } from '../support/connect.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startNode, type TestNode } from '../support/start-node.ts'
import { elapse, until } from '../support/until.ts'
import { connectionsOf, DEAD_AFTER, HEARTBEAT, nodesSeenBy, push, untilGone } from './fleet.ts'

const times = ['--heartbeat', String(HEARTBEAT), '--dead-after', String(DEAD_AFTER)]
const patient = { timeout: 60_000, every: 20 }

/** A Redis, and a function that starts the same server on it again and again. */
async function startAlone(t: TestContext): Promise<{ redis: RedisServer; start(): Promise<TestNode> }> {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const start = async (): Promise<TestNode> => {
    const node = await startNode(['--dev', '--redis', redis.url, '--name', 'alone', ...times])
    t.after(() => node.kill9())
    return node
  }
  return { redis, start }
}

async function join(t: TestContext, node: TestNode, uid: string): Promise<void> {
  const client = await connect(node.url, { uid, groups: ['g'] })
  t.after(() => client.socket.terminate())
}

/** The ids that a node lists, and when each was last seen. */
async function lastSeenBy(node: TestNode): Promise<Map<string, number>> {
  const { body } = await node.api('GET', '/api/nodes')
  const { nodes } = body as { nodes: { node: string; lastSeen: number }[] }
  return new Map(nodes.map(({ node, lastSeen }) => [node, lastSeen]))
}

test('a single node that was killed and started again does not keep listing its dead self, nor its users', async (t) => {
  const { start } = await startAlone(t)
  const before = await start()
  await join(t, before, 'u')
  await before.kill9()
  const after = await start()
  await until('only the new one is listed', async () => (await nodesSeenBy(after)).join() === after.id, patient)
  await until('its user is offline', async () => (await connectionsOf(after, 'u')).length === 0, patient)
  assert.deepEqual((await push(after, { uid: 'u', message: 'x' })).offline, ['u'])
})

test('a single node that dies soon after each start does not list its dead selves for ever', async (t) => {
  const { start } = await startAlone(t)
  const first = await start()
  await join(t, first, 'u')
  await first.kill9()
  // Each start takes one heartbeat off the lease that the dead had left. A node that dies while it cleans up leaves
  // that to the next one.
  const isGoneInOneLife = async (): Promise<boolean> => {
    const node = await start()
    const isListed = (await nodesSeenBy(node)).includes(first.id)
    const isGone = !isListed && (await connectionsOf(node, 'u')).length === 0
    await node.kill9()
    return isGone
  }
  await until('the first is gone, and its user', isGoneInOneLife, { timeout: 180_000 })
})

test('nodes that were cut off by a long restart of the store live on, beside one that joins as soon as it is back', async (t) => {
  const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always'])
  t.after(() => redis.stop())
  const [heartbeat, deadAfter] = [1_000, 4_000]
  const start = async (name: string): Promise<TestNode> => {
    const more = ['--heartbeat', `${heartbeat}`, '--dead-after', `${deadAfter}`, '--connect-timeout', '60000']
    const node = await startNode(['--dev', '--redis', redis.url, '--name', name, ...more])
    t.after(() => node.kill9())
    return node
  }
  const [a, b] = await Promise.all([start('a'), start('b')])
  const before = await lastSeenBy(a)
  await redis.kill9()
  const starting = start('late')
  await elapse(1.5 * deadAfter)
  await redis.restart()
  const late = await starting
  const isBack = async (): Promise<boolean> => {
    const now = await lastSeenBy(late)
    return [a, b].every(({ id }) => now.get(id)! > before.get(id)!)
  }
  await until('both renew the leases that they had', isBack, patient)
  await b.kill9()
  await untilGone(late, b)
  assert.deepEqual((await nodesSeenBy(a)).toSorted(), [a.id, late.id].toSorted())
})

// Invariant N13: an emitter leaves out who is silent, and changes nothing.
test('an emitter leaves out dead nodes, although no server lives to evict them', async (t) => {
  const { node, emitter } = await startLooking(t)
  assert.deepEqual(await emitter.counts(), { nodeCount: 1, connectionCount: 1 })
  assert.equal((await emitter.members('g')).memberCount, 1)
  await node.kill9()
  await until('nobody is online', async () => !(await emitter.isOnline('u')), patient)
  assert.deepEqual(await emitter.counts(), { nodeCount: 0, connectionCount: 0 })
  assert.deepEqual(await emitter.connections('u'), [])
  assert.deepEqual(await emitter.members('g'), { members: [], memberCount: 0 })
})

test('an emitter goes on listing a node that it could not see because the store was away', async (t) => {
  const { redis, node, emitter } = await startLooking(t)
  assert.equal(await emitter.isOnline('u'), true)
  // The node is stopped, and so is the store: what the store knows of the node does not change.
  node.pause()
  redis.pause()
  await elapse(1.5 * DEAD_AFTER)
  redis.resume()
  assert.equal(await emitter.isOnline('u'), true)
  assert.equal((await emitter.nodes()).length, 1)
})

/** A single node with a user, and an emitter that only asks. */
async function startLooking(t: TestContext) {
  const { redis, start } = await startAlone(t)
  const node = await start()
  await join(t, node, 'u')
  const driver = redisDriver({ url: redis.url })
  const emitter = new Emitter({ driver, heartbeat: HEARTBEAT, deadAfter: DEAD_AFTER })
  t.after(() => emitter.close())
  return { redis, node, emitter }
}
