import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionsOf, push, startFleet } from './fleet.ts'

test('three nodes on one Redis', async (t) => {
  const fleet = await startFleet(t)
  const { a, b, c } = fleet

  await t.test('a push to a user on another node arrives', async () => {
    const client = await fleet.connect(b, { uid: 'solo' })
    assert.deepEqual((await push(a, { uid: 'solo', message: 'hello' })).nodeCount, 1)
    assert.equal(await client.next(), 'hello')
  })

  await t.test('a push reaches both devices of a user, on two other nodes, once', async () => {
    const phone = await fleet.connect(b, { uid: 'two' })
    const laptop = await fleet.connect(c, { uid: 'two' })
    const { nodeCount, offline } = await push(a, { uid: 'two', message: { n: 1 } })
    assert.deepEqual({ nodeCount, offline }, { nodeCount: 2, offline: [] })
    assert.equal(await phone.next(), '{"n":1}')
    assert.equal(await laptop.next(), '{"n":1}')
    await push(a, { uid: 'two', message: 'last' })
    assert.equal(await phone.next(), 'last')
    assert.equal(await laptop.next(), 'last')
  })

  await t.test("a user's second device does not replace the first", async () => {
    const first = await fleet.connect(a, { uid: 'same' })
    const second = await fleet.connect(a, { uid: 'same' })
    await push(c, { uid: 'same', message: 'both' })
    assert.deepEqual([await first.next(), await second.next()], ['both', 'both'])
    assert.equal((await connectionsOf(b, 'same')).length, 2)
  })

  await t.test('a push to many users reaches each of them, and names those who are offline', async () => {
    const uids = Array.from({ length: 12 }, (_, index) => `many-${index}`)
    const nodes = [a, b, c]
    const clients = await Promise.all(uids.map((uid, index) => fleet.connect(nodes[index % 3]!, { uid })))
    const { offline } = await push(b, { uid: [...uids, 'nobody-1', 'nobody-2'], message: 'hi' })
    assert.deepEqual(offline, ['nobody-1', 'nobody-2'])
    assert.deepEqual(
      await Promise.all(clients.map((client) => client.next())),
      uids.map(() => 'hi'),
    )
  })

  await t.test('a push to a group reaches its members on every node, and nobody else', async () => {
    const members = await Promise.all([a, b, c].map((node) => fleet.connect(node, { uid: 'g', groups: ['room'] })))
    const outsider = await fleet.connect(b, { uid: 'outsider' })
    await push(c, { group: 'room', message: 'to the room' })
    for (const member of members) assert.equal(await member.next(), 'to the room')
    await push(c, { uid: 'outsider', message: 'to you' })
    assert.deepEqual([await outsider.next(), outsider.received.length], ['to you', 1])
  })

  await t.test('a connection in two of the groups gets the push once', async () => {
    const member = await fleet.connect(b, { uid: 'in-two', groups: ['x1', 'x2'] })
    await push(a, { group: ['x1', 'x2'], message: 'once' })
    await push(a, { uid: 'in-two', message: 'then' })
    assert.deepEqual([await member.next(), await member.next()], ['once', 'then'])
  })

  await t.test('a push to everyone reaches every connection except the excepted ones', async () => {
    const [x, y, z] = await Promise.all([a, b, c].map((node, index) => fleet.connect(node, { uid: `all-${index}` })))
    const [zed] = await connectionsOf(a, 'all-2')
    const { nodeCount } = await push(b, {
      all: true,
      message: 'everyone',
      except: { uid: 'all-1', connection: zed!.connection },
    })
    assert.equal(nodeCount, 3)
    assert.equal(await x!.next(), 'everyone')
    await push(b, { uid: ['all-1', 'all-2'], message: 'marker' })
    assert.deepEqual([await y!.next(), await z!.next()], ['marker', 'marker'])
  })

  await t.test(
    'a push to a connection reaches it on whichever node it is; a closed connection is offline',
    async () => {
      const target = await fleet.connect(c, { uid: 'conn' })
      const other = await fleet.connect(c, { uid: 'conn' })
      const connections = await connectionsOf(a, 'conn')
      const answers = await Promise.all(
        connections.map(({ connection }, index) => push(a, { connection, message: `to ${index}` })),
      )
      assert.deepEqual(
        answers.map(({ offline }) => offline),
        [[], []],
      )
      assert.deepEqual([await target.next(), await other.next()].map(String).sort(), ['to 0', 'to 1'])
      await Promise.all([target.close(), other.close()])
      const gone = connections.map(({ connection }) => connection)
      for (;;) if ((await connectionsOf(a, 'conn')).length === 0) break
      assert.deepEqual((await push(a, { connection: gone, message: 'late' })).offline, gone)
    },
  )

  await t.test('bytes arrive as bytes, and a string as the same text', async () => {
    const client = await fleet.connect(b, { uid: 'bytes' })
    await push(a, { uid: 'bytes', binary: Buffer.from([0, 255, 1]).toString('base64') })
    await push(a, { uid: 'bytes', message: 'ünï' })
    assert.deepEqual(await client.next(), Buffer.from([0, 255, 1]))
    assert.equal(await client.next(), 'ünï')
  })

  await t.test("one publisher's pushes to a user arrive in order", async () => {
    const client = await fleet.connect(b, { uid: 'order' })
    const pushes = Array.from({ length: 300 }, (_, n) => ({ uid: 'order', message: String(n) }))
    const { status } = await a.api('POST', '/api/push/batch', { pushes })
    assert.equal(status, 200)
    await client.waitFor(300)
    assert.deepEqual(
      client.texts,
      pushes.map(({ message }) => message),
    )
  })

  await t.test('an id is pushed once, whichever node gets it, and the answer is the same each time', async () => {
    const client = await fleet.connect(c, { uid: 'once' })
    const body = { uid: 'once', message: 'x', id: 'order-42' }
    const first = await push(a, body)
    assert.deepEqual(await push(b, body), first)
    const reused = await b.api('POST', '/api/push', { ...body, message: 'y' })
    assert.equal(reused.status, 409)
    await push(a, { uid: 'once', message: 'end' })
    await client.waitFor(2)
    assert.deepEqual(client.texts, ['x', 'end'])
  })

  await t.test('members join and leave through the API, and that has taken effect when it answers', async () => {
    const devices = [await fleet.connect(b, { uid: 'joiner' }), await fleet.connect(c, { uid: 'joiner' })]
    const joined = await a.api('PUT', '/api/groups/later/members/joiner')
    assert.deepEqual([joined.status, joined.body], [200, { connectionCount: 2 }])
    await push(b, { group: 'later', message: 'in' })
    for (const device of devices) assert.equal(await device.next(), 'in')
    const left = await c.api('DELETE', '/api/groups/later/members/joiner')
    assert.deepEqual(left.body, { connectionCount: 2 })
    assert.deepEqual((await push(b, { group: 'later', message: 'out' })).nodeCount, 0)
  })

  await t.test(
    'a kicked user is disconnected on every node with the code and reason, and is listed nowhere',
    async () => {
      const devices = [await fleet.connect(b, { uid: 'kicked' }), await fleet.connect(c, { uid: 'kicked' })]
      const kicked = await a.api('DELETE', '/api/users/kicked?code=4001&reason=out')
      assert.deepEqual(kicked.body, { closedCount: 2 })
      assert.deepEqual(await connectionsOf(a, 'kicked'), [])
      for (const device of devices) assert.deepEqual(await device.closed, { code: 4001, reason: 'out' })
    },
  )

  await t.test('two nodes with the same name live side by side', async () => {
    const twin = await fleet.startNode('--name', 'a')
    const client = await fleet.connect(twin, { uid: 'twin' })
    assert.notEqual(twin.id, a.id)
    await push(a, { uid: 'twin', message: 'hello twin' })
    assert.equal(await client.next(), 'hello twin')
    assert.deepEqual((await twin.stop()).code, 0)
  })
})
