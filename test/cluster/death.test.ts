import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { temporaryFolder } from '../standalone/flotilla.ts'
import { until } from '../support/until.ts'
import { connectionsOf, DEAD_AFTER, HEARTBEAT, nodesSeenBy, push, startFleet, untilGone } from './fleet.ts'

test('after a kill -9, nobody stays listed, and what the inbox held reaches the users who moved', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c } = fleet
  await fleet.connect(b, { uid: 'mover', groups: ['g'] })
  await fleet.connect(b, { uid: 'mover' })
  // Stopped, the node reads nothing: pushes now stay in its inbox, as if it had died before reading them.
  b.pause()
  const sent = await push(a, { uid: 'mover', message: 'unread' })
  assert.equal(sent.nodeCount, 1)
  const toGroup = await push(a, { group: 'g', message: 'unread by the group' })
  assert.equal(toGroup.nodeCount, 1)
  const moved = await fleet.connect(c, { uid: 'mover', groups: ['g'] })
  await b.kill9()
  await untilGone(a, b)
  await moved.waitFor(2)
  assert.deepEqual(moved.texts.sort(), ['unread', 'unread by the group'])
  await until('only the new connection is listed', async () => {
    const listed = await connectionsOf(a, 'mover')
    return listed.length === 1 && listed[0]!.node === c.id
  })

  await t.test('nothing of the dead node remains in the store', async () => {
    const redis = new Redis(fleet.redis.url)
    t.after(() => redis.disconnect())
    await until('its keys are gone', async () => (await redis.keys(`*${b.id}*`)).length === 0)
  })

  await t.test('pushes go on, and the users of the dead node are offline for good', async () => {
    await push(a, { uid: 'mover', message: 'after' })
    await moved.waitFor(3)
    assert.deepEqual(await nodesSeenBy(c).then((nodes) => nodes.toSorted()), [a.id, c.id].toSorted())
  })
})

test('a node that was stopped and declared dead comes back under a new id, with its sockets open', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c } = fleet
  const client = await fleet.connect(b, { uid: 'sleeper', groups: ['dreams'] })
  b.pause()
  await untilGone(a, b)
  await until('its user is unbound', async () => (await connectionsOf(a, 'sleeper')).length === 0)
  assert.deepEqual((await push(c, { uid: 'sleeper', message: 'nobody there' })).offline, ['sleeper'])
  b.resume()
  await until('its user is bound again', async () => (await connectionsOf(a, 'sleeper')).length === 1)
  const [listed] = await connectionsOf(a, 'sleeper')
  assert.notEqual(listed!.node, b.id)
  await push(a, { uid: 'sleeper', message: 'good morning' })
  await push(c, { group: 'dreams', message: 'you too' })
  await push(c, { all: true, message: 'all' })
  await client.waitFor(3)
  assert.deepEqual(client.texts.sort(), ['all', 'good morning', 'you too'])
  await until('three nodes are listed', async () => (await nodesSeenBy(a)).length === 3)
})

// Invariant N11: a node notices within a heartbeat that the store has lost it.
test('if Redis comes back empty, sockets stay open and the nodes write everything again', async (t) => {
  const config = join(await temporaryFolder(t), 'patient.json')
  await writeFile(config, JSON.stringify({ storeWait: 60_000 }))
  // They have a heartbeat and a second for that, before anybody may be reported offline.
  const fleet = await startFleet(t, '--config', config, '--heartbeat', '5000', '--dead-after', '60000')
  const { a, b, c } = fleet
  const clients = await Promise.all(
    [a, b, c].map((node, index) => fleet.connect(node, { uid: `u${index}`, groups: ['g'] })),
  )
  // To notice the loss, the publisher must have asked the store before.
  await push(a, { uid: ['u0', 'u1', 'u2'], message: 'before' })
  await push(a, { all: true, message: 'all before' })
  for (const client of clients) await client.waitFor(2)
  await fleet.redis.restart({ empty: true })
  const answer = await push(a, { uid: ['u0', 'u1', 'u2'], message: 'after' })
  assert.deepEqual(answer.offline, [], 'nobody whose socket is open is reported offline')
  for (const client of clients) {
    await client.waitFor(3)
    assert.equal(client.texts[2], 'after')
  }
  await push(b, { group: 'g', message: 'group after' })
  await push(c, { all: true, message: 'all after' })
  for (const client of clients) {
    await client.waitFor(5)
    assert.deepEqual(client.texts.slice(3).sort(), ['all after', 'group after'])
  }
})

test('while Redis is away, pushes and handshakes are refused with 503; afterwards all is as before', async (t) => {
  const fleet = await startFleet(t)
  const { a, b } = fleet
  const client = await fleet.connect(b, { uid: 'u' })
  fleet.redis.pause()
  const [pushed, ready] = await Promise.all([
    a.api('POST', '/api/push', { uid: 'u', message: 'x', id: 'again' }),
    a.api('GET', '/readyz'),
  ])
  assert.equal(pushed.status, 503)
  assert.equal((pushed.body as { error: { code: string } }).error.code, 'FLT_STORE_AWAY')
  assert.equal(ready.status, 503)
  await assert.rejects(fleet.connect(a, { uid: 'late' }), /503/)
  fleet.redis.resume()
  await until('the store answers', async () => (await a.api('GET', '/readyz')).status === 200)
  await push(a, { uid: 'u', message: 'back' })
  await until('it arrives', () => client.texts.includes('back'))
})

test('after the store was away for longer than a lease, nobody is evicted', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c, redis } = fleet
  await until('all are steady', async () => (await nodesSeenBy(a)).length === 3)
  redis.pause()
  await new Promise((resolve) => setTimeout(resolve, 1.5 * DEAD_AFTER))
  redis.resume()
  await until('the store answers', async () => (await a.api('GET', '/readyz')).status === 200)
  await new Promise((resolve) => setTimeout(resolve, 2 * HEARTBEAT))
  assert.deepEqual((await nodesSeenBy(a)).toSorted(), [a.id, b.id, c.id].toSorted())
  await c.kill9()
  await untilGone(a, c)
})

// Invariant N10: a graceful close is a takeover of oneself.
test('a node that closes hands on what it owes and leaves nothing behind', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c } = fleet
  const client = await fleet.connect(b, { uid: 'u' })
  const stopped = b.stop()
  assert.equal((await client.closed).code, 1001)
  assert.deepEqual((await stopped).code, 0)
  assert.deepEqual((await nodesSeenBy(a)).toSorted(), [a.id, c.id].toSorted())
  assert.deepEqual(await connectionsOf(a, 'u'), [])
  assert.deepEqual((await push(a, { uid: 'u', message: 'x' })).offline, ['u'])
})
