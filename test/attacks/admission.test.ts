import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { connect as dial, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as dialTls } from 'node:tls'
import type { Driver, DriverSettings } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import { createServer, defineModule, FlotillaError, type ServerOptions } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { temporaryFolder } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { until } from '../support/until.ts'
import { answerOf, exchange, head, tcp, upgrade } from './wire.ts'

const quiet = defineModule('/ws', {})
const http: RequestListener = (request, response) => {
  // On a slow machine Node could close idle sockets by itself, but these tests are about which sockets the server
  // closes.
  Object.assign((request.socket as Socket & { server: object }).server, { keepAliveTimeout: 0 })
  response.end('ok')
}
const start = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startTestServer({ modules: [quiet], http, ...options })
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })
const probe = head('GET /healthz', { Host: 'x', Connection: 'close' })

/** Sends a request over a kept-alive socket, and returns the answer. */
async function ask(socket: Socket): Promise<string> {
  const answered = once(socket, 'data')
  socket.write(head('GET /healthz', { Host: 'x' }))
  return String((await answered)[0])
}

/** A socket that has sent a request and is kept alive. */
async function keptAlive(url: string, localAddress?: string): Promise<Socket> {
  const socket = await tcp(url, localAddress)
  await ask(socket)
  return socket
}

async function severally<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = []
  for (let n = 0; n < count; n++) made.push(await make())
  return made
}

const destroyAll = (sockets: readonly { destroy(): unknown }[]): void => {
  for (const socket of sockets) socket.destroy()
}

// ---- sockets that are not WebSockets

test('sockets that one address keeps alive shut out nobody else, and those that are closed to make room are counted', async () => {
  await using server = await start({ maxHandshakes: 100, maxConnections: 20, maxConnectionsPerIp: 2 })
  const sockets = await severally(120, () => keptAlive(server.url))
  await until('half of the room is left', () => sockets.filter(({ closed }) => !closed).length === 50)
  assert.ok(
    sockets.slice(0, 70).every(({ closed }) => closed),
    'those that had been idle longest were closed',
  )
  assert.equal(server.server.stats().turnedAwayCount, 70)
  const clients = await severally(2, () => connect(server.url, { localAddress: '127.0.0.2' }))
  assert.match(await exchange(server.url, probe), /^HTTP\/1.1 200/)
  for (const client of clients) await client.vanish()
  destroyAll(sockets)
})

test('an address keeps the sockets that it uses: the one that has been idle longest is closed', async () => {
  await using server = await start({ maxHandshakes: 4 })
  const [one, other] = (await severally(2, () => keptAlive(server.url))) as [Socket, Socket]
  await ask(one)
  const third = await keptAlive(server.url)
  await until('one is closed', () => other.closed)
  assert.match(await ask(one), /^HTTP\/1.1 200/)
  destroyAll([one, third])
})

test('a socket is not idle while its request is answered, or while its response streams', async () => {
  const streams: ServerResponse[] = []
  const streaming: RequestListener = (request, response) => {
    if (request.url === '/healthz') return http(request, response)
    streams.push(response)
    if (request.url === '/stream') response.write('begun')
  }
  await using server = await start({ http: streaming, maxHandshakes: 8 })
  const slow = await tcp(server.url)
  slow.write(head('GET /slow', { Host: 'x', Connection: 'close' }))
  await until('the request arrives', () => streams.length === 1)
  const stream = await tcp(server.url)
  stream.write(head('GET /stream', { Host: 'x', Connection: 'close' }))
  await until('the request arrives', () => streams.length === 2)
  const others = await severally(20, () => keptAlive(server.url))
  for (const response of streams) response.end('ended')
  assert.match(await answerOf(slow), /ended/)
  assert.match(await answerOf(stream), /begun[\s\S]*ended/)
  destroyAll(others)
})

test('requests of one address that never end leave room for other addresses', async () => {
  await using server = await start({ http: () => {}, maxHandshakes: 10 })
  const busy = await severally(12, async () => {
    const socket = await tcp(server.url)
    socket.write(head('GET /slow', { Host: 'x' }))
    return socket.resume()
  })
  await until('those beyond the share are closed', () => busy.filter(({ closed }) => !closed).length === 5)
  const client = await connect(server.url, { localAddress: '127.0.0.2' })
  await client.vanish()
  destroyAll(busy)
})

test('bodies that never arrive completely shut out nobody: the socket that was waited for longest is closed', async () => {
  const reading: RequestListener = (request, response) => {
    request.resume().once('end', () => response.end('read'))
  }
  await using server = await start({ http: reading, maxHandshakes: 10, trustProxy: ['127.0.0.1'] })
  const dripping = await severally(10, async () => {
    const socket = await tcp(server.url)
    const continued = once(socket, 'data')
    // The server answers 100 Continue as soon as it has read the head.
    socket.write(head('POST /', { Host: 'x', 'Content-Length': '100', Expect: '100-continue' }, 'x'))
    assert.match(String(await continued), /100 Continue/)
    return socket
  })
  const upload = head('POST /', { Host: 'x', 'Content-Length': '4', Connection: 'close' }, 'body')
  for (let n = 0; n < 3; n++) assert.match(await exchange(server.url, upload), /read/)
  await until('one is closed', () => dripping[0]!.closed)
  assert.equal(dripping.filter(({ closed }) => closed).length, 1)
  destroyAll(dripping)
})

test('the sockets that a trusted proxy keeps alive count only towards the total', async () => {
  await using server = await start({ maxHandshakes: 20, maxConnectionsPerIp: 2, trustProxy: ['127.0.0.1'] })
  const pool = await severally(20, () => keptAlive(server.url))
  for (const socket of pool) assert.match(await ask(socket), /^HTTP\/1.1 200/)
  assert.equal(server.server.stats().turnedAwayCount, 0)
  const more = await keptAlive(server.url, '127.0.0.2')
  await until('the one that was idle longest is closed', () => pool[0]!.closed)
  assert.equal(pool.filter(({ closed }) => closed).length, 1)
  assert.equal(server.server.stats().turnedAwayCount, 1)
  destroyAll([...pool, more])
})

test('connections over a Unix socket, which have no address, count only towards the total', async (t) => {
  const unix = join(await temporaryFolder(t), 'socket')
  const server = createServer({ modules: [quiet], http, maxHandshakes: 10 })
  t.after(() => server.close())
  await server.listen({ unix })
  const sockets = await severally(15, async () => {
    const socket = dial(unix).on('error', () => {})
    await ask(socket)
    return socket
  })
  await until('the first ones are closed', () => sockets.slice(0, 5).every(({ closed }) => closed))
  for (const socket of sockets.slice(5)) assert.match(await ask(socket), /^HTTP\/1.1 200/)
  assert.equal(server.stats().turnedAwayCount, 5)
  destroyAll(sockets)
})

test('with TLS, too, sockets that are kept alive or never finish their TLS handshake shut out nobody else', async (t) => {
  const folder = await temporaryFolder(t)
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1'
  execFileSync('openssl', [...request.split(' '), '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  await using server = await start({ tls, maxHandshakes: 20, handshakeTimeout: 60_000 })
  const port = Number(new URL(server.url).port)
  const alive = await severally(12, async () => {
    const socket = dialTls({ port, host: '127.0.0.1', ca: tls.cert }).on('error', () => {})
    await ask(socket)
    return socket
  })
  await until('half of the room is left', () => alive.filter(({ closed }) => !closed).length === 10)
  const silent = await severally(30, () => tcp(server.url))
  const client = await connect(server.url, { ca: tls.cert, localAddress: '127.0.0.2' })
  await until('half of the room is left', () => [...alive, ...silent].filter(({ closed }) => !closed).length === 10)
  assert.equal(server.server.stats().turnedAwayCount, 32)
  await client.vanish()
  destroyAll([...alive, ...silent])
})

test('a full node answers every client with 503, and resets none', async () => {
  await using server = await start({ maxConnections: 1, maxHandshakes: 1 })
  await server.connect('/ws')
  for (let n = 0; n < 5; n++) assert.match(await exchange(server.url, upgrade('/ws')), /^HTTP\/1.1 503/)
})

// ---- refused handshakes

/** A refused client that keeps its end of the connection open as long as the server lets it. */
async function lingering(url: string, path: string, status: number): Promise<Socket> {
  const socket = dial({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(upgrade(path))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(String(answer), new RegExp(`^HTTP/1.1 ${status}`))
  return socket
}

/** A driver whose store can be made unavailable. */
class Fickle implements Driver {
  isAway = false
  readonly #memory = memory()
  readonly queue = this.#memory.queue

  state(settings: DriverSettings): State {
    const state = this.#memory.state(settings)
    const apply = state.apply.bind(state)
    state.apply = (node, changes) => {
      return this.isAway
        ? Promise.reject(new FlotillaError('FLT_STORE_AWAY', 'the store is away'))
        : apply(node, changes)
    }
    return state
  }
}

const refusals: readonly [what: string, path: string, status: number][] = [
  ['a path without a module', '/nowhere', 404],
  ['a bad token', '/token', 401],
  ['a Response of a hook', '/response', 403],
  ['a hook that throws', '/throws', 500],
  ['a hook that takes too long', '/hangs', 503],
  ['a subprotocol that was not offered', '/wrong-protocol', 500],
  ['a user with too many connections', '/user', 429],
  ['a store that is away', '/away', 503],
]

const refusing = [
  defineModule('/token', {
    handshake: () => Promise.reject(new FlotillaError('FLT_UNAUTHORIZED', 'the token is wrong')),
  }),
  defineModule('/response', { handshake: () => new Response('no', { status: 403 }) }),
  defineModule('/throws', { handshake: () => Promise.reject(new Error('broken')) }),
  defineModule('/hangs', { handshake: () => new Promise<void>(() => {}) }),
  defineModule('/wrong-protocol', { handshake: (ctx) => void (ctx.protocol = 'other') }),
  defineModule('/user', { handshake: (ctx) => void (ctx.uid = 'popular') }),
  defineModule('/away', { handshake: (ctx) => void (ctx.uid = 'ann') }),
]

for (const [what, path, status] of refusals)
  test(`a handshake that is refused because of ${what} no longer counts once it is answered`, async () => {
    const limits = { maxConnections: 2, maxConnectionsPerIp: 2, maxConnectionsPerUid: 1 }
    const patience = path === '/hangs' ? { handshakeTimeout: 3_000 } : {}
    const driver = new Fickle()
    await using server = await start({ modules: [quiet, ...refusing], driver, ...limits, ...patience })
    await server.connect('/user')
    driver.isAway = path === '/away'
    const strangers = await Promise.all([1, 2, 3].map(() => lingering(server.url, path, status)))
    driver.isAway = false
    await server.connect('/ws')
    assert.match(await exchange(server.url, upgrade('/ws')), /^HTTP\/1.1 503/)
    destroyAll(strangers)
  })

test('refused handshakes leave all places of a node to the clients that are admitted', async () => {
  const no = defineModule('/no', { handshake: () => new Response('no', { status: 401 }) })
  await using server = await start({ modules: [quiet, no], maxConnections: 5 })
  const strangers = await severally(20, () => lingering(server.url, '/no', 401))
  for (let n = 0; n < 5; n++) await server.connect('/ws')
  assert.match(await exchange(server.url, upgrade('/ws')), /^HTTP\/1.1 503/)
  destroyAll(strangers)
})

test("slow handshakes take no connection's place, and if several end together, only as many are admitted as fit", async () => {
  const waiting: (() => void)[] = []
  const slow = defineModule('/slow', { handshake: () => new Promise<void>((resolve) => waiting.push(resolve)) })
  await using server = await start({ modules: [quiet, slow], maxConnections: 3, maxConnectionsPerIp: 3 })
  const strangers = Array.from({ length: 5 }, () => server.connect('/slow').then(() => 'in', String))
  await until('five wait', () => waiting.length === 5)
  await server.connect('/ws')
  await server.connect('/ws')
  for (const go of waiting) go()
  const outcomes = await Promise.all(strangers)
  assert.equal(outcomes.filter((outcome) => outcome === 'in').length, 1)
  assert.equal(outcomes.filter((outcome) => outcome.includes('503')).length, 4)
  assert.equal(server.server.stats().connectionCount, 3)
  assert.equal(server.server.stats().turnedAwayCount, 4)
})

test('a refusal whose body never ends, or fails, is answered as an error and no longer counts', async () => {
  const refusal = (body: ReadableStream) => new Response(body, { status: 401 })
  const endless = defineModule('/endless', { handshake: () => refusal(new ReadableStream()) })
  const fail = (body: ReadableStreamDefaultController): void => body.error(new Error('gone'))
  const failing = defineModule('/failing', { handshake: () => refusal(new ReadableStream({ start: fail })) })
  const modules = [quiet, endless, failing]
  await using server = await start({ modules, maxHandshakes: 4, handshakeTimeout: 500, onError: () => {} })
  for (const path of ['/endless', '/failing']) {
    const answers = await severally(2, () => exchange(server.url, upgrade(path)))
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 50[03] .*FLT_(?:TIMEOUT|INTERNAL)/s)
  }
  await severally(2, () => server.connect('/ws'))
})

test('handshakes of one address that never end leave room for other addresses', async () => {
  const hanging = defineModule('/hangs', { handshake: () => new Promise<void>(() => {}) })
  await using server = await start({ modules: [quiet, hanging], maxHandshakes: 8, trustProxy: ['127.0.0.1'] })
  const eve = Array.from({ length: 8 }, () => tcp(server.url))
  for (const socket of await Promise.all(eve)) socket.write(upgrade('/hangs', { 'X-Forwarded-For': '9.9.9.9:80' }))
  await until('half of them are refused', () => server.server.stats().turnedAwayCount === 4)
  assert.match(await exchange(server.url, upgrade('/ws', from('9.9.9.9').headers)), /^HTTP\/1.1 429/)
  await server.connect('/ws', from('8.8.8.8'))
  destroyAll(await Promise.all(eve))
})

test('a client that disconnects before its 101 no longer counts', async () => {
  const waiting: (() => void)[] = []
  const slow = defineModule('/slow', { handshake: () => new Promise<void>((resolve) => waiting.push(resolve)) })
  await using server = await start({ modules: [quiet, slow], maxConnections: 1, maxHandshakes: 2 })
  for (let n = 0; n < 5; n++) {
    const socket = await tcp(server.url)
    socket.write(upgrade('/slow'))
    await until('it waits', () => waiting.length === 1)
    socket.destroy()
    waiting.pop()!()
  }
  const free = (): Promise<boolean> =>
    server.connect('/ws').then(
      () => true,
      () => false,
    )
  await until('there is room', free)
})
