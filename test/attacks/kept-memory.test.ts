import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Redis } from 'ioredis'
import { redis } from '../../src/drivers/redis/redis.ts'
import { defineModule, type MessageContext, type OpenContext } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { tcp, upgrade } from './wire.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const KIB = 1_024
const CROWD = 200

const module = defineModule('/chat/:room', {
  handshake(ctx) {
    const query = ctx.url.search.slice(1)
    ctx.uid = query.slice(0, 40)
    ctx.groups.add(`group of ${query.slice(0, 40)}`)
    const offered = ctx.request.headers.get('sec-websocket-protocol')?.split(', ')
    if (offered !== undefined) ctx.protocol = offered[0]!
  },
})

type Headers = Readonly<Record<string, string>>

/** Connects a client over a bare socket, and drops everything that the server sends. */
async function connect(server: TestServer, target: string, headers: Headers): Promise<Socket> {
  const socket = await tcp(server.url)
  socket.write(upgrade(target, headers))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString('latin1'), /^HTTP\/1\.1 101 /)
  return socket.resume()
}

/** Measures the bytes of heap that each client takes, including the client's own socket. */
async function costOf(target: (n: number) => string, headers: Headers): Promise<number> {
  await using server = await startTestServer({ modules: [module], trustProxy: ['127.0.0.1'] })
  const sockets: Socket[] = []
  const crowd = async (): Promise<number> => {
    for (let n = 0; n < CROWD; n++) sockets.push(await connect(server, target(sockets.length), headers))
    for (let round = 0; round < 3; round++) {
      await new Promise(setImmediate)
      collectGarbage()
    }
    return process.memoryUsage().heapUsed
  }
  // The first clients pay for everything that is shared.
  const before = await crowd()
  const after = await crowd()
  for (const socket of sockets) socket.destroy()
  return (after - before) / CROWD
}

/** Forty characters, different for each client. */
const uidOf = (n: number): string => `a user with a name that is long, ${n}`.padEnd(40, '_').replaceAll(' ', '-')
const plain = (n: number): string => `/chat/lobby?${uidOf(n)}`
const junk = 'x'.repeat(14_000)

test('a connection keeps 4 KiB of its handshake, whatever its client sends, and its path once more', async (t) => {
  await costOf(plain, {})
  const usual = await costOf(plain, {})
  const crowds: Record<string, [(n: number) => string, Headers]> = {
    'one long header': [plain, { 'X-Junk': junk }],
    'many headers': [plain, Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`X-${n}`, 'x'.repeat(150)]))],
    'a long query': [(n) => `${plain(n)}&junk=${junk}`, {}],
    'a query of many parameters': [(n) => `${plain(n)}&${'x&'.repeat(7_000)}`, {}],
    'the longest path, and headers': [(n) => `/chat/${'x'.repeat(2_042)}?${uidOf(n)}`, { 'X-Junk': junk.slice(2_048) }],
    'an address behind many others': [plain, { 'X-Forwarded-For': `${'1.2.3.4,'.repeat(1_700)}123.123.123.123` }],
    'a subprotocol among many': [
      plain,
      { 'Sec-WebSocket-Protocol': Array.from({ length: 600 }, (_, n) => `a-long-protocol-${n}`).join(', ') },
    ],
  }
  for (const [name, [target, headers]] of Object.entries(crowds))
    await t.test(name, async () => {
      const more = (await costOf(target, headers)) - usual
      // The size of a moving heap is not exact to the byte.
      assert.ok(more < 7 * KIB, `${Math.round(more)} bytes more than with a plain handshake`)
    })
})

test('a connection keeps its request, but beyond 4 KiB drops the longest headers and parameters after the handshake', async () => {
  const seen: [string, number][] = []
  const look = ({ request }: Pick<OpenContext, 'request'>): void => {
    const { searchParams } = new URL(request.url)
    for (const name of ['short', 'long']) seen.push([`?${name}`, searchParams.get(name)?.length ?? 0])
    for (const name of ['cookie', 'x-long', 'user-agent']) seen.push([name, request.headers.get(name)?.length ?? 0])
  }
  const observer = defineModule('/ws', {
    handshake: look,
    open: look,
    message: (ctx: MessageContext) => look(ctx),
  })
  await using server = await startTestServer({ modules: [observer] })
  const headers = { cookie: 'c'.repeat(1_000), 'user-agent': 'u'.repeat(200), 'x-long': 'x'.repeat(5_000) }
  const client = await server.connect(`/ws?short=s&long=${'l'.repeat(4_000)}`, { headers })
  client.send('hi')
  const expected = (isWhole: boolean): [string, number][] => [
    ['?short', 1],
    ['?long', isWhole ? 4_000 : 0],
    ['cookie', 1_000],
    ['x-long', isWhole ? 5_000 : 0],
    ['user-agent', 200],
  ]
  await until('the message is handled', () => seen.length === 15, { timeout: 60_000 })
  assert.deepEqual(seen, [...expected(true), ...expected(false), ...expected(false)])
})

test('a request of up to 4 KiB is kept whole, byte for byte', async () => {
  await using server = await startTestServer({ modules: [defineModule('/ws', {})] })
  const headers = { cookie: 'c'.repeat(3_000), 'x-name': 'ä' }
  await server.connect('/ws?a=1&a=1&b', { headers })
  const [connection] = server.server.local
  const { request, url } = connection!
  assert.equal(request.headers.get('cookie'), headers.cookie)
  assert.equal(request.headers.get('x-name'), 'ä')
  assert.equal(url.search, '?a=1&a=1&b')
  assert.equal(request.url, url.href)
})

test('the store keeps the path of a client once, however many groups it joins', async (t) => {
  const store = await startRedis()
  t.after(() => store.stop())
  const modules = [defineModule('/chat/:room', { handshake: (ctx) => void (ctx.uid = 'ann') })]
  await using server = await startTestServer({ modules, driver: redis({ url: store.url }) })
  const path = `/chat/${'x'.repeat(2_000)}`
  await server.connect(path)
  const { cluster } = server.server
  await cluster.join({ uid: 'ann' }, ...Array.from({ length: 200 }, (_, n) => `group ${n}`))
  assert.equal((await allIn(store.url)).split(path).length - 1, 1)
  assert.equal((await cluster.connections('ann'))[0]!.path, path)
  const { members } = await cluster.members('group 7')
  assert.deepEqual(
    members.map(({ uid, path: listed }) => [uid, listed]),
    [['ann', '/chat/:room']],
  )
})

/** All values of all hashes, as one text. */
async function allIn(url: string): Promise<string> {
  const raw = new Redis(url)
  try {
    const keys = await raw.keys('*')
    const types = await Promise.all(keys.map((key) => raw.type(key)))
    const hashes = keys.filter((_, index) => types[index] === 'hash')
    return (await Promise.all(hashes.map((key) => raw.hvals(key)))).flat().join('\n')
  } finally {
    raw.disconnect()
  }
}
