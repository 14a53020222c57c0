import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ErrorReport } from '../../src/api.ts'
import { createServer, defineModule, type ServerOptions } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { until } from '../support/until.ts'

const quiet = defineModule('/ws', {
  handshake(ctx) {
    const uid = new URL(ctx.request.url).searchParams.get('uid')
    if (uid !== null) ctx.uid = uid
  },
})

async function start(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  return startTestServer({ modules: [quiet], ...options })
}

/** Sends raw bytes to the server, and returns everything that it answers. */
async function raw(url: string, bytes: string): Promise<string> {
  const socket = await tcp(url)
  socket.write(bytes)
  return answerOf(socket)
}

async function tcp(url: string): Promise<Socket> {
  const { port } = new URL(url)
  const socket = connectTcp(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function answerOf(socket: Socket): Promise<string> {
  let answer = ''
  socket.on('data', (data) => (answer += data.toString()))
  socket.on('error', () => {})
  // Not `once()`, which would reject on a reset: a reset is an end, too.
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

const headers = {
  Host: 'x',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

function upgrade(path: string, changed: Record<string, string | undefined> = {}, version = 'HTTP/1.1'): string {
  const all = Object.entries({ ...headers, ...changed }).filter(([, value]) => value !== undefined)
  return `GET ${path} ${version}\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

test('a bad upgrade request is refused with a status and an explanation', async (t) => {
  await using server = await start()
  const cases: [string, string, RegExp][] = [
    ['an unknown path', upgrade('/nowhere'), /^HTTP\/1.1 404 [\s\S]*FLT_NOT_FOUND/],
    [
      'another version',
      upgrade('/ws', { 'Sec-WebSocket-Version': '8' }),
      /^HTTP\/1.1 426 [\s\S]*sec-websocket-version: 13/,
    ],
    ['no version', upgrade('/ws', { 'Sec-WebSocket-Version': undefined }), /^HTTP\/1.1 426 /],
    ['a bad key', upgrade('/ws', { 'Sec-WebSocket-Key': 'short' }), /^HTTP\/1.1 400 [\s\S]*FLT_BAD_HANDSHAKE/],
    ['no key', upgrade('/ws', { 'Sec-WebSocket-Key': undefined }), /^HTTP\/1.1 400 /],
    ['another protocol', upgrade('/ws', { Upgrade: 'h2c' }), /^HTTP\/1.1 400 /],
    ['HTTP/1.0', upgrade('/ws', {}, 'HTTP/1.0'), /^HTTP\/1.1 400 /],
    ['a path that does not decode', upgrade('/%zz'), /^HTTP\/1.1 400 [\s\S]*FLT_BAD_HANDSHAKE/],
  ]
  for (const [name, request, expected] of cases) {
    await t.test(name, async () => assert.match(await raw(server.url, request), expected))
  }
})

test('a client that sends its handshake byte by byte is cut off in time', async () => {
  await using server = await start({ handshakeTimeout: 400 })
  const socket = await tcp(server.url)
  const drip = setInterval(() => socket.write('G'), 50)
  await answerOf(socket)
  clearInterval(drip)
})

test('a client that sends nothing is cut off too', async () => {
  await using server = await start({ handshakeTimeout: 300 })
  await answerOf(await tcp(server.url))
})

test('a message over maxPayload closes its connection with 1009, invalid UTF-8 with 1007, and no other connection', async () => {
  await using server = await start({ maxPayload: 1_000 })
  const [large, broken, other] = await Promise.all([0, 1, 2].map(() => server.connect('/ws?uid=u')))
  large!.send('x'.repeat(1_001))
  assert.equal((await large!.closed).code, 1009)
  broken!.socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
  assert.equal((await broken!.closed).code, 1007)
  await server.server.cluster.push({ uid: 'u' }, 'still here')
  assert.equal(await other!.next(), 'still here')
})

test('messages are handled one after another, after open, and close comes last', async () => {
  const seen: string[] = []
  const ordered = defineModule('/o', {
    async open() {
      await pause(20)
      seen.push('open')
    },
    async message(ctx) {
      await pause(Number(ctx.raw))
      seen.push(String(ctx.raw))
    },
    close: () => void seen.push('close'),
  })
  await using server = await start({ modules: [ordered] })
  const client = await server.connect('/o')
  for (const wait of ['15', '5', '1']) client.send(wait)
  client.close()
  await until('all happened', () => seen.length === 5)
  assert.deepEqual(seen, ['open', '15', '5', '1', 'close'])
})

test('concurrency is how many messages are handled at once', async () => {
  let running = 0
  let most = 0
  let release!: () => void
  const gate = new Promise<void>((resolve) => (release = resolve))
  const wide = defineModule('/c', {
    concurrency: 3,
    async message() {
      most = Math.max(most, ++running)
      await gate
      running--
      return 'done'
    },
  })
  await using server = await start({ modules: [wide] })
  const client = await server.connect('/c')
  for (let n = 0; n < 9; n++) client.send('x')
  await until('three run', () => running === 3)
  // A fourth handler would have begun by now.
  await pause(50)
  release()
  for (let n = 0; n < 9; n++) await client.next()
  assert.equal(most, 3)
})

test('reading pauses when too many messages wait, and all are handled in the end', async () => {
  let release!: () => void
  const gate = new Promise<void>((resolve) => (release = resolve))
  let handled = 0
  const slow = defineModule('/s', {
    async message() {
      await gate
      handled++
    },
  })
  await using server = await start({ modules: [slow], maxPending: 5 })
  const client = await server.connect('/s')
  const chunk = 'x'.repeat(50_000)
  for (let n = 0; n < 400; n++) client.send(chunk)
  await pause(200)
  assert.ok(client.socket.bufferedAmount > 0, 'the client is held back')
  release()
  await until('all are handled', () => handled === 400)
})

test('an open hook that throws closes the connection with 1011 and is reported to onError', async () => {
  const reports: ErrorReport[] = []
  const bad = defineModule('/bad', {
    open() {
      throw new Error('no')
    },
  })
  await using server = await start({ modules: [bad], onError: (report) => void reports.push(report) })
  const client = await server.connect('/bad')
  assert.equal((await client.closed).code, 1011)
  assert.deepEqual(
    reports.map(({ phase }) => phase),
    ['open'],
  )
})

test('a client that answers no pings is closed, and a client that answers them stays', async () => {
  await using server = await start({ pingInterval: 500 })
  const alive = await server.connect('/ws')
  const dead = await server.connect('/ws')
  // `ws` answers pings by itself unless it is told not to read.
  dead.socket.pause()
  await until('the silent one is gone', () => server.server.local.size === 1)
  assert.equal(alive.socket.readyState, alive.socket.OPEN)
  dead.socket.terminate()
})

test('a connection whose token expires is closed with 4401', async () => {
  const expiring = defineModule('/e', { handshake: (ctx) => void (ctx.expiresAt = Date.now() + 300) })
  await using server = await start({ modules: [expiring] })
  const client = await server.connect('/e')
  assert.deepEqual(await client.closed, { code: 4401, reason: 'token expired' })
})

// Invariant R1: a binding is stored before the 101 goes out.
test('a push to a client that is bound but has no 101 yet arrives right after the 101', async () => {
  await using server = await start()
  const opened = server.connect('/ws?uid=early')
  await until('it is bound', () => server.server.cluster.isOnline('early'), { every: 1 })
  await server.server.cluster.push({ uid: 'early' }, 'first')
  assert.equal(await (await opened).next(), 'first')
})

// Invariant R16: connections of a user, and groups of a connection, are bounded.
test('a user with too many connections is refused with 429', async () => {
  await using server = await start({ maxConnectionsPerUid: 2 })
  await server.connect('/ws?uid=u')
  await server.connect('/ws?uid=u')
  await assert.rejects(server.connect('/ws?uid=u'), /429/)
  await server.connect('/ws?uid=v')
})

test('logout unbinds a connection, register binds it again, both with events, and no other connection is affected', async () => {
  const events: string[] = []
  await using server = await start()
  const { cluster, local } = server.server
  cluster.on('register', ({ uid }) => events.push(`register ${uid}`))
  cluster.on('logout', ({ uid }) => events.push(`logout ${uid}`))
  const client = await server.connect('/ws?uid=u')
  const [connection] = local
  await cluster.join({ uid: 'u' }, 'g')
  await cluster.logout(connection!)
  assert.equal(await cluster.isOnline('u'), false)
  assert.equal((await cluster.members('g')).members[0]!.uid, undefined)
  assert.equal(await cluster.register(connection!, 'v'), 'v')
  assert.equal((await cluster.members('g')).members[0]!.uid, 'v')
  assert.match(await cluster.register(connection!), /^[0-9a-f-]{36}$/)
  assert.equal(await cluster.isOnline('v'), false)
  client.close()
  await client.closed
  await until('it is unbound', async () => (await cluster.members('g')).memberCount === 0)
  assert.deepEqual(events.slice(0, 4), ['register u', 'logout u', 'register v', 'logout v'])
})

test('server.local reaches the connections of this node, and refuses undefined as a target', async () => {
  await using server = await start()
  const { local } = server.server
  const clients = await Promise.all(['a', 'b', 'c'].map((uid) => server.connect(`/ws?uid=${uid}`)))
  const idOf = (uid: string): string => [...local].find((connection) => connection.uid === uid)!.id
  assert.equal(local.size, 3)
  assert.equal(local.sendTo(idOf('a'), 'one'), true)
  assert.equal(local.push('nobody', 'x'), false)
  assert.equal(local.sendToSome('some', [idOf('a'), idOf('b')], [idOf('a')]), 1)
  assert.equal(local.broadcast('others', idOf('a')), 2)
  assert.equal(local.sendToAll({ all: 1 }), 3)
  assert.equal(local.send('listed', [idOf('c')]), 1)
  assert.equal(local.send('none', []), 0)
  assert.equal(local.isEstablished(idOf('b')), true)
  const due = [
    ['one', '{"all":1}'],
    ['some', 'others', '{"all":1}'],
    ['others', '{"all":1}', 'listed'],
  ]
  for (const [index, client] of clients.entries())
    for (const text of due[index]!) assert.equal(await client.next(), text)
  assert.throws(() => local.sendTo(undefined as never, 'x'), { code: 'FLT_BAD_TARGET' })
  assert.throws(() => local.send('x', undefined as never), { code: 'FLT_BAD_TARGET' })
  assert.equal(local.disconnect(idOf('b'), 4001, 'bye'), true)
  assert.deepEqual(await clients[1]!.closed, { code: 4001, reason: 'bye' })
  const ids: string[] = []
  local.each(({ id }) => ids.push(id))
  assert.equal(ids.length, 2)
})

test('send returns false once a connection closes, and never throws', async () => {
  await using server = await start()
  const client = await server.connect('/ws')
  const [connection] = server.server.local
  connection!.disconnect(1000)
  assert.equal(connection!.send('x'), false)
  await client.closed
  assert.equal(connection!.send('x'), false)
  await until('its signal aborts', () => connection!.signal.aborted)
  assert.throws(() => connection!.disconnect(999), { code: 'FLT_BAD_REQUEST' })
})

test('connection metadata: address, port, path without the query, time', async () => {
  await using server = await start({ trustProxy: ['127.0.0.0/8'] })
  await server.connect('/ws?uid=u&secret=1', { headers: { 'x-forwarded-for': '6.6.6.6, 9.9.9.9' } })
  const [connection] = server.server.local
  const { ip, port, path, openedAt } = connection!.meta
  assert.deepEqual([ip, path], ['9.9.9.9', '/ws'])
  assert.ok(port > 0 && Math.abs(Date.now() - openedAt) < 60_000)
  assert.equal(new URL(connection!.request.url).searchParams.get('secret'), '1')
})

test('forwarded headers are ignored unless a trusted proxy sent them', async () => {
  await using server = await start()
  await server.connect('/ws', { headers: { 'x-forwarded-for': '9.9.9.9' } })
  assert.equal([...server.server.local][0]!.meta.ip, '127.0.0.1')
})

test('a server that closes sends 1001 to everyone and refuses new clients', async () => {
  const server = await start()
  const client = await server.connect('/ws')
  const closed = server.server.close()
  assert.equal((await client.closed).code, 1001)
  await closed
  await server.server.close()
  await assert.rejects(server.connect('/ws'))
})

test('bad options are refused with the name of the option and what it accepts', () => {
  const cases: [Partial<Record<string, unknown>>, RegExp][] = [
    [{ heartbeat: 0 }, /heartbeat is 0: give a whole number/],
    [{ heartbeat: 5_000 }, /deadAfter must be at least three heartbeats/],
    [{ prefix: 'a{b}' }, /prefix is "a\{b\}"/],
    [{ name: 'a b' }, /name is "a b"/],
    [{ trustProxy: ['example.com'] }, /trustProxy: 'example.com'/],
    [{ maxPayLoad: 1 }, /'maxPayLoad' .*: createServer has no such option/],
    [{ codec: 'xml' }, /codec must be/],
    [{ overflow: 'drop' }, /overflow is "drop": give one of close, dropOldest, dropNewest, collapse/],
    [{ overflow: null }, /overflow is null/],
    [{ maxWaitingBytes: 1_023 }, /maxWaitingBytes is 1023: give a whole number from 1024 /],
  ]
  for (const [options, expected] of cases) {
    assert.throws(
      () => createServer({ modules: [], ...options }),
      (error: Error & { code: string }) => {
        assert.match(error.message, expected)
        return error.code === 'FLT_BAD_OPTION'
      },
    )
  }
})

test('a handshake may refuse everyone with the same Response', async () => {
  const no = new Response('members only', { status: 403, headers: { 'x-why': 'members' } })
  await using server = await start({ modules: [defineModule('/no', { handshake: () => no })] })
  for (let n = 0; n < 3; n++)
    assert.match(await raw(server.url, upgrade('/no')), /403[\s\S]*x-why: members[\s\S]*members only/)
  const broken = defineModule('/broken', { handshake: () => Response.error() })
  await using other = await start({ modules: [broken] })
  assert.match(await raw(other.url, upgrade('/broken')), /^HTTP\/1.1 500/)
})

test('joining no groups does nothing, and is not an error', async () => {
  const joiner = defineModule('/j', { open: (ctx) => ctx.join() })
  await using server = await start({ modules: [joiner] })
  const client = await server.connect('/j')
  assert.equal(await server.server.cluster.join({ all: true }), 0)
  assert.equal(client.socket.readyState, client.socket.OPEN)
})

test('close resolves although a handler never ends', async () => {
  const stuck = defineModule('/stuck', { message: () => new Promise<never>(() => {}) })
  const server = await start({ modules: [stuck] })
  const client = await server.connect('/stuck')
  client.send('x')
  await server.server.close({ timeout: 100 })
})

test('a server that is closed while it begins to listen leaves no port open', async () => {
  const server = createServer({ modules: [quiet] })
  const listening = server.listen(0)
  await server.close()
  await assert.rejects(listening, { code: 'FLT_CLOSED' })
})

// Invariant D9: a slow client costs a bounded amount of memory, and nobody else's time.
test('a client that reads too slowly is closed with 4408, and takes no more memory than maxBuffered', async () => {
  await using server = await start({ maxBuffered: 100_000, pingInterval: 0 })
  const slow = await server.connect('/ws?uid=slow')
  const other = await server.connect('/ws?uid=other')
  const [connection] = server.server.local
  slow.socket.pause()
  const chunk = 'x'.repeat(50_000)
  await until('it is given up', async () => {
    await server.server.cluster.push({ uid: ['slow', 'other'] }, chunk)
    return !connection!.isOpen
  })
  assert.ok(connection!.bufferedAmount < 500_000)
  assert.equal(connection!.send('x'), false)
  // The client does not know yet, but the server already counts its user as offline.
  await until('its user is offline', async () => !(await server.server.cluster.isOnline('slow')))
  assert.deepEqual((await server.server.cluster.push({ uid: 'slow' }, 'x')).offline, ['slow'])
  assert.equal(await other.next(), chunk)
  slow.socket.resume()
  assert.deepEqual(await slow.closed, { code: 4408, reason: 'too slow' })
})

test('a burst within one turn of the event loop does not make a client too slow', async () => {
  const count = 4_000
  const burst = defineModule('/burst', {
    open(ctx) {
      for (let n = 0; n < count; n++) ctx.send(String(n).padEnd(1_024))
    },
  })
  await using server = await startTestServer({ modules: [burst] })
  const client = await server.connect('/burst')
  for (let n = 0; n < count; n++) assert.equal(Number(await client.next()), n)
})

test('awaiting one push after another does not starve the event loop', async () => {
  await using server = await start()
  const client = await server.connect('/ws?uid=u')
  let turnCount = 0
  let isOver = false
  const count = (): void => {
    turnCount++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  for (let n = 0; n < 500; n++) await server.server.cluster.push({ uid: 'u' }, String(n))
  isOver = true
  assert.ok(turnCount > 100, `${turnCount} turns`)
  for (let n = 0; n < 500; n++) assert.equal(await client.next(), String(n))
})
