import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from './support/child.ts'
import { connect } from './support/connect.ts'
import { startRedis } from './support/redis.ts'
import { startNode } from './support/start-node.ts'

function run(t: TestContext, example: string, ...args: string[]): Child {
  const file = fileURLToPath(new URL(`../examples/${example}.ts`, import.meta.url))
  const env = { ...process.env, PORT: '0' }
  const child = new Child(process.execPath, ['--import', 'tsx', file, ...args], { env })
  t.after(() => child.kill9())
  return child
}

async function urlOf(child: Child): Promise<string> {
  return (await child.said(/listening on (\S+)/))[1]!
}

const chats = [
  { example: 'chat', say: { cmd: 'say', data: 'hi', id: 1 }, heard: { from: 'ann', text: 'hi' } },
  { example: 'decorators', say: { cmd: 'room.say', data: { text: 'hi' }, id: 1 }, heard: { from: 'ann', text: 'hi' } },
]
for (const { example, say, heard } of chats) {
  test(`${example}: one client speaks in a room, the other hears it, and the first gets a reply`, async (t) => {
    const url = await urlOf(run(t, example))
    const ann = await connect(url, { path: '/chat/lobby', query: { name: 'ann' } })
    const bob = await connect(url, { path: '/chat/lobby', query: { name: 'bob' } })
    // The reply comes only after the open hook, so by then bob is in the room.
    bob.send('{"cmd":"ping","id":0}')
    await bob.next()
    ann.send(JSON.stringify(say))
    assert.deepEqual(JSON.parse(String(await bob.next())), heard)
    assert.deepEqual(JSON.parse(String(await ann.next())), { id: 1, cmd: say.cmd, data: { ok: true } })
    await Promise.all([ann.vanish(), bob.vanish()])
  })
}

test('two-nodes: a push crosses from one node to the other', async (t) => {
  const child = run(t, 'two-nodes')
  assert.deepEqual(await child.exited, { code: 0, signal: null })
  assert.match(child.stdout, /hello from the other node/)
})

for (const example of ['express', 'fastify', 'hono']) {
  test(`${example}: its routes and its sockets share a port, and it ends with a client connected`, async (t) => {
    const child = run(t, example)
    const url = await urlOf(child)
    const client = await connect(url, { path: '/ws/u1' })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/notify/u1`, { method: 'POST', headers, body: '{"n":1}' })
    assert.equal(((await answer.json()) as { nodeCount: number }).nodeCount, 1)
    assert.equal(await client.next(), '{"n":1}')
    child.signal('SIGTERM')
    assert.equal((await client.closed).code, 1001)
    assert.deepEqual(await child.exited, { code: 0, signal: null })
  })
}

test('worker: pushes without a server', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const node = await startNode(['--dev', '--redis', redis.url])
  t.after(() => node.kill9())
  const client = await connect(node.url, { uid: 'u1' })
  const child = run(t, 'worker', redis.url, 'u1', 'hello')
  assert.deepEqual(await child.exited, { code: 0, signal: null })
  assert.match(child.stdout, /stored for 1 node/)
  assert.equal(await client.next(), 'hello')
  await client.vanish()
})
