import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { connect, type TestClient } from '../support/connect.ts'
import { API_KEY, type Call, caller, SECRET, tokenFor } from './api-call.ts'
import { type Started, startFlotilla } from './flotilla.ts'

const args = ['--port=0', `--token-secret=${SECRET}`, `--api-key=${API_KEY}`, '--groups-claim=groups']
const flags = [...args, '--max-payload=2000', '--log-level=silent']

interface Connection {
  readonly connection: string
  readonly node: string
}

test('the HTTP API', async (t) => {
  const server = await startFlotilla(t, flags)
  const call = caller(server.url)
  const suite: Record<string, (t: TestContext, call: Call, server: Started) => Promise<void>> = {
    'pushes to a user, a group, a connection and everyone': pushes,
    'sends text as text, bytes as bytes, and anything else as JSON': kinds,
    'does not push to the users in except': except,
    'sends a push with the same id once': once,
    'holds a push for users who are offline': holds,
    'answers each push of a batch, in order': batch,
    'lists the connections of a user': users,
    'lists the members of a group, page by page': groups,
    'puts the connections of a user into a group, and takes them out': members,
    'closes a user, a connection and a group, with code and reason': closes,
    'lists the nodes, and counts': nodes,
    'takes any uid in a path': paths,
    'takes any name in a query, from clients that fold dots in a path, too': queries,
    'takes bodies in gzip, deflate and br': compressed,
  }
  for (const [promise, run] of Object.entries(suite)) await t.test(promise, (inner) => run(inner, call, server))
})

async function user(t: TestContext, { url }: Started, uid: string, ...groups: string[]): Promise<TestClient> {
  const client = await connect(url, { token: await tokenFor(uid, { groups }) })
  t.after(() => client.vanish())
  return client
}

async function connectionsOf(call: Call, uid: string): Promise<Connection[]> {
  const { body } = await call('GET', `/api/users/${encodeURIComponent(uid)}`)
  return (body as { connections: Connection[] }).connections
}

async function pushes(t: TestContext, call: Call, server: Started): Promise<void> {
  const ann = await user(t, server, 'ann', 'red')
  const bob = await user(t, server, 'bob')
  const { status, body } = await call('POST', '/api/push', { uid: ['ann', 'zoe'], message: 'to ann' })
  assert.equal(status, 200)
  const { id, ...rest } = body as { id: string }
  assert.equal(typeof id, 'string')
  assert.deepEqual(rest, { nodeCount: 1, offline: ['zoe'] })
  assert.equal(await ann.next(), 'to ann')
  await call('POST', '/api/push', { group: 'red', message: 'to red' })
  assert.equal(await ann.next(), 'to red')
  const [{ connection } = { connection: '' }] = await connectionsOf(call, 'bob')
  await call('POST', '/api/push', { connection, message: 'to that one' })
  assert.equal(await bob.next(), 'to that one')
  await call('POST', '/api/push', { all: true, message: 'to all' })
  assert.deepEqual([await ann.next(), await bob.next()], ['to all', 'to all'])
}

async function kinds(t: TestContext, call: Call, server: Started): Promise<void> {
  const client = await user(t, server, 'kim')
  const push = (rest: object) => call('POST', '/api/push', { uid: 'kim', ...rest })
  for (const message of ['', 'wörld', '{"a":1}']) {
    await push({ message })
    assert.equal(await client.next(), message)
  }
  for (const message of [null, 0, false, [], { a: [1, { b: null }] }]) {
    await push({ message })
    assert.deepEqual(JSON.parse(String(await client.next())), message)
  }
  const bytes = Buffer.from([0, 255, 128, 10])
  await push({ binary: bytes.toString('base64') })
  assert.deepEqual(await client.next(), bytes)
}

async function except(t: TestContext, call: Call, server: Started): Promise<void> {
  const [dan, eve] = [await user(t, server, 'dan', 'pair'), await user(t, server, 'eve', 'pair')]
  await call('POST', '/api/push', { group: 'pair', message: 'not for dan', except: { uid: 'dan' } })
  assert.equal(await eve.next(), 'not for dan')
  await call('POST', '/api/push', { group: 'pair', message: 'for both' })
  assert.deepEqual([await dan.next(), await eve.next()], ['for both', 'for both'])
}

async function once(t: TestContext, call: Call, server: Started): Promise<void> {
  const client = await user(t, server, 'fay')
  const push = { uid: 'fay', message: 'only once', id: 'order-42' }
  const first = await call('POST', '/api/push', push)
  const second = await call('POST', '/api/push', push)
  assert.deepEqual(second.body, first.body)
  const uid = Array.from({ length: 21 }, (_, index) => `nobody-${index}`)
  const toMany = { uid, message: 'x', id: 'order-43' }
  assert.deepEqual((await call('POST', '/api/push', toMany)).body, { id: 'order-43', nodeCount: 0, offline: uid })
  const counted = { id: 'order-43', nodeCount: 0, offline: [], offlineCount: 21 }
  assert.deepEqual((await call('POST', '/api/push', toMany)).body, counted)
  await call('POST', '/api/push', { uid: 'fay', message: 'next' })
  assert.deepEqual([await client.next(), await client.next()], ['only once', 'next'])
}

async function holds(t: TestContext, call: Call, server: Started): Promise<void> {
  const push = { uid: 'lea', message: 'held', hold: 60_000, id: 'order-44' }
  const receipt = { id: 'order-44', nodeCount: 0, offline: ['lea'], held: ['lea'] }
  assert.deepEqual((await call('POST', '/api/push', push)).body, receipt)
  const pushes = [push, { uid: 'lea', message: 'in a batch', hold: 60_000 }, { group: 'red', message: 1, hold: 1 }]
  const { body } = await call('POST', '/api/push/batch', { pushes })
  const { results } = body as { results: { held?: string[]; error?: { code: string } }[] }
  assert.deepEqual(results[0], receipt)
  assert.deepEqual([results[1]!.held, results[2]!.error!.code], [['lea'], 'FLT_BAD_TARGET'])
  const client = await user(t, server, 'lea')
  assert.deepEqual([await client.next(), await client.next()], ['held', 'in a batch'])
  const many = { uid: Array.from({ length: 21 }, (_, index) => `away-${index}`), message: 'x', hold: 1, id: 'order-45' }
  await call('POST', '/api/push', many)
  const counted = { id: 'order-45', nodeCount: 0, offline: [], offlineCount: 21, held: [], heldCount: 21 }
  assert.deepEqual((await call('POST', '/api/push', many)).body, counted)
}

async function batch(t: TestContext, call: Call, server: Started): Promise<void> {
  const client = await user(t, server, 'gus')
  const pushes = [
    { uid: 'gus', message: 1 },
    { uid: null, message: 'x' },
    { uid: 'gus', message: 2, colour: 'red' },
    'nonsense',
    { uid: 'gus', message: 3 },
  ]
  const { status, body } = await call('POST', '/api/push/batch', { pushes })
  assert.equal(status, 200)
  const { results } = body as { results: { nodeCount?: number; error?: { code: string } }[] }
  const outcomes = results.map(({ nodeCount, error }) => error?.code ?? nodeCount)
  assert.deepEqual(outcomes, [1, 'FLT_BAD_TARGET', 'FLT_BAD_REQUEST', 'FLT_BAD_REQUEST', 1])
  assert.deepEqual([await client.next(), await client.next()], ['1', '3'])
  assert.deepEqual((await call('POST', '/api/push/batch', { pushes: [] })).body, { results: [] })
}

async function users(t: TestContext, call: Call, server: Started): Promise<void> {
  const before = Date.now()
  await user(t, server, 'hal')
  await user(t, server, 'hal')
  const { status, body } = await call('GET', '/api/users/hal')
  assert.equal(status, 200)
  const { connections, ...rest } = body as { connections: Record<string, unknown>[] }
  assert.deepEqual(rest, { uid: 'hal', online: true })
  assert.equal(connections.length, 2)
  for (const { connection, since, ...where } of connections) {
    assert.equal(typeof connection, 'string')
    assert(Number(since) >= before && Number(since) <= Date.now())
    assert.deepEqual(where, { node: server.node, path: '/ws', ip: '127.0.0.1' })
  }
  assert.deepEqual((await call('GET', '/api/users/nobody')).body, { uid: 'nobody', online: false, connections: [] })
}

async function groups(t: TestContext, call: Call, server: Started): Promise<void> {
  const uids = ['ida', 'jon', 'kay']
  for (const uid of uids) await user(t, server, uid, 'crew')
  const found: string[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '2', ...(cursor !== undefined && { cursor }) })
    const { status, body } = await call('GET', `/api/groups/crew?${query.toString()}`)
    assert.equal(status, 200)
    const page = body as {
      group: string
      memberCount: number
      members: (Connection & { uid: string })[]
      cursor?: string
    }
    assert.deepEqual([page.group, page.memberCount], ['crew', 3])
    assert(page.members.length <= 2)
    for (const member of page.members) {
      assert.deepEqual(Object.keys(member).toSorted(), ['connection', 'node', 'uid'])
      found.push(member.uid)
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  assert.deepEqual(found.toSorted(), uids)
  assert.deepEqual((await call('GET', '/api/groups/nobody')).body, { group: 'nobody', memberCount: 0, members: [] })
}

async function members(t: TestContext, call: Call, server: Started): Promise<void> {
  const client = await user(t, server, 'lea')
  const path = '/api/groups/blue/members/lea'
  assert.deepEqual((await call('PUT', path)).body, { connectionCount: 1 })
  await call('POST', '/api/push', { group: 'blue', message: 'hello blue' })
  assert.equal(await client.next(), 'hello blue')
  assert.deepEqual((await call('DELETE', path)).body, { connectionCount: 1 })
  await call('POST', '/api/push', { group: 'blue', message: 'not for lea' })
  await call('POST', '/api/push', { uid: 'lea', message: 'for lea' })
  assert.equal(await client.next(), 'for lea')
  assert.deepEqual((await call('PUT', '/api/groups/blue/members/nobody')).body, { connectionCount: 0 })
}

async function closes(t: TestContext, call: Call, server: Started): Promise<void> {
  const max = await user(t, server, 'max')
  assert.deepEqual((await call('DELETE', '/api/users/max')).body, { closedCount: 1 })
  assert.deepEqual(await max.closed, { code: 4403, reason: '' })
  const nan = await user(t, server, 'nan', 'old')
  const olaf = await user(t, server, 'olaf', 'old')
  const [{ connection } = { connection: '' }] = await connectionsOf(call, 'nan')
  const reason = encodeURIComponent('tschüß')
  assert.deepEqual((await call('DELETE', `/api/connections/${connection}?code=4999&reason=${reason}`)).body, {
    closedCount: 1,
  })
  assert.deepEqual(await nan.closed, { code: 4999, reason: 'tschüß' })
  assert.deepEqual((await call('DELETE', '/api/groups/old?code=1000')).body, { closedCount: 1 })
  assert.equal((await olaf.closed).code, 1000)
  assert.deepEqual((await call('DELETE', '/api/users/max')).body, { closedCount: 0 })
}

async function nodes(_t: TestContext, call: Call, server: Started): Promise<void> {
  const { body } = await call('GET', '/api/nodes')
  const { self, nodes: listed } = body as { self: string; nodes: Record<string, unknown>[] }
  assert.equal(self, server.node)
  assert.equal(listed.length, 1)
  const names = ['connectionCount', 'lastSeen', 'name', 'node', 'startedAt', 'url']
  assert.deepEqual(Object.keys(listed[0]!).toSorted(), names)
  assert.equal(listed[0]!['url'], server.url)
  const stats = (await call('GET', '/api/stats')).body as {
    cluster: { nodeCount: number }
    local: { node: string; pushCount: number }
  }
  assert.equal(stats.cluster.nodeCount, 1)
  assert.equal(stats.local.node, server.node)
  assert(stats.local.pushCount > 0)
}

async function paths(t: TestContext, call: Call, server: Started): Promise<void> {
  for (const uid of ['a/b', '用户', 'a b?c#d', '%2F', '100%', '..', '.', ':uid', '*', 'é'.repeat(127)]) {
    await user(t, server, uid)
    assert.equal((await connectionsOf(call, uid)).length, 1, uid)
    const path = `/api/groups/${encodeURIComponent(uid)}/members/${encodeURIComponent(uid)}`
    assert.deepEqual((await call('PUT', path)).body, { connectionCount: 1 }, uid)
  }
}

async function queries(t: TestContext, _call: Call, server: Started): Promise<void> {
  const ask = async (method: string, path: string, names: Record<string, string>): Promise<unknown> => {
    const url = `${server.url}${path}?${new URLSearchParams(names).toString()}`
    const answer = await fetch(url, { method, headers: { authorization: `Bearer ${API_KEY}` } })
    assert.equal(answer.status, 200, url)
    return await answer.json()
  }
  for (const name of [
    '.',
    '..',
    '/',
    'a/../b',
    '%2F',
    '%',
    'a+b c',
    'a&uid=b',
    '用户',
    '\0',
    ':uid',
    'é'.repeat(127),
  ]) {
    const [uid, group] = [name, name]
    const client = await user(t, server, uid)
    const { connections } = (await ask('GET', '/api/users', { uid })) as { connections: Connection[] }
    assert.equal(connections.length, 1, name)
    assert.deepEqual(await ask('PUT', '/api/members', { group, uid }), { connectionCount: 1 }, name)
    const { members: found } = (await ask('GET', '/api/groups', { group, limit: '2' })) as { members: unknown[] }
    assert.equal(found.length, 1, name)
    assert.deepEqual(await ask('DELETE', '/api/members', { group, uid }), { connectionCount: 1 }, name)
    assert.deepEqual(await ask('DELETE', '/api/groups', { group }), { closedCount: 0 }, name)
    assert.deepEqual(await ask('DELETE', '/api/users', { uid, code: '4999', reason: name.slice(0, 9) }), {
      closedCount: 1,
    })
    assert.deepEqual(await client.closed, { code: 4999, reason: name.slice(0, 9) })
  }
  assert.deepEqual(await ask('DELETE', '/api/connections', { connection: 'nobody-0' }), { closedCount: 0 })
}

async function compressed(t: TestContext, call: Call, server: Started): Promise<void> {
  const client = await user(t, server, 'zip')
  const body = '{"uid":"zip","message":{"large":12345678901234567890}}'
  const codings = {
    gzip: gzipSync,
    'X-GZIP': gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
    identity: Buffer.from,
  }
  for (const [coding, compress] of Object.entries(codings)) {
    const { status } = await call('POST', '/api/push', compress(Buffer.from(body)), { 'Content-Encoding': coding })
    assert.equal(status, 200, coding)
    assert.equal(await client.next(), '{"large":12345678901234567890}', coding)
  }
}
