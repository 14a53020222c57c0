import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer, defineModule, type ServerOptions } from '../../src/index.ts'
import { networkOf } from '../../src/lib/addresses.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { temporaryFolder } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { until } from '../support/until.ts'
import { answerOf, exchange, head, tcp, upgrade } from './wire.ts'

const quiet = defineModule('/ws', {})
const start = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startTestServer({ modules: [quiet], ...options })
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })

test('maxConnections: one client more is refused with 503 and counted, and admitted once another has gone', async () => {
  await using server = await start({ maxConnections: 2 })
  const first = await server.connect('/ws')
  await server.connect('/ws')
  assert.match(await exchange(server.url, upgrade('/ws')), /^HTTP\/1.1 503 [\s\S]*retry-after: 1[\s\S]*FLT_OVERLOADED/)
  assert.equal(server.server.stats().turnedAwayCount, 1)
  first.close()
  await first.closed
  await until('there is room', () =>
    server.connect('/ws').then(
      () => true,
      () => false,
    ),
  )
})

test('maxConnectionsPerIp: an address at its limit gets 429, and other addresses are admitted', async () => {
  await using server = await start({ maxConnectionsPerIp: 2, trustProxy: ['127.0.0.1'] })
  const first = await server.connect('/ws', from('9.9.9.9'))
  await server.connect('/ws', from('9.9.9.9'))
  await assert.rejects(server.connect('/ws', from('9.9.9.9')), /429/)
  await server.connect('/ws', from('8.8.8.8'))
  first.close()
  await first.closed
  await until('there is room', () =>
    server.connect('/ws', from('9.9.9.9')).then(
      () => true,
      () => false,
    ),
  )
})

test('maxConnectionsPerIp: a client that is refused, or never finishes its handshake, does not count for ever', async () => {
  const no = defineModule('/no', { handshake: () => new Response('no', { status: 403 }) })
  await using server = await start({ maxConnectionsPerIp: 1, modules: [quiet, no] })
  for (let n = 0; n < 20; n++) assert.match(await exchange(server.url, upgrade('/no')), /^HTTP\/1.1 403/)
  const gone = await tcp(server.url)
  gone.write(upgrade('/ws'))
  gone.destroy()
  await until('there is room', () =>
    server.connect('/ws').then(
      () => true,
      () => false,
    ),
  )
})

test('maxConnectionsPerIp: a forwarded header does not change an address unless a trusted proxy sent it', async () => {
  await using server = await start({ maxConnectionsPerIp: 1 })
  await server.connect('/ws', from('9.9.9.9'))
  await assert.rejects(server.connect('/ws', from('8.8.8.8')), /429/)
})

test('maxConnectionsPerIp: a /64 network of IPv6 counts as one address', async () => {
  await using server = await start({ maxConnectionsPerIp: 1, trustProxy: ['127.0.0.1'] })
  await server.connect('/ws', from('2001:db8:0:1::1'))
  await assert.rejects(server.connect('/ws', from('2001:db8::1:ffff:0:0:2')), /429/)
  await server.connect('/ws', from('2001:db8:0:2::1'))
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(networkOf('2001:DB8:0:1:2:3:4:5'), '2001:db8:0:1::/64')
})

test('maxHandshakes: if many clients only connect, the oldest is closed, and an honest client is admitted', async () => {
  await using server = await start({ maxHandshakes: 50, handshakeTimeout: 60_000 })
  const idlers = await Promise.all(Array.from({ length: 150 }, () => tcp(server.url)))
  await server.connect('/ws')
  await until('most are gone', () => idlers.filter(({ closed }) => !closed).length <= 50)
  for (const idler of idlers) idler.destroy()
})

test('maxHandshakes: while that many handshakes are in progress, the next one is refused with 503', async () => {
  const waiting: (() => void)[] = []
  const slow = defineModule('/slow', { handshake: () => new Promise<void>((resolve) => waiting.push(resolve)) })
  await using server = await start({ maxHandshakes: 2, modules: [slow], trustProxy: ['127.0.0.1'] })
  const early = [server.connect('/slow', from('9.9.9.9')), server.connect('/slow', from('8.8.8.8'))]
  await until('two wait', () => waiting.length === 2)
  assert.match(await exchange(server.url, upgrade('/slow')), /^HTTP\/1.1 503 [\s\S]*FLT_OVERLOADED/)
  for (const go of waiting.splice(0)) go()
  await Promise.all(early)
})

test('maxHandshakes: TLS handshakes that nobody finishes count as well', async (t) => {
  const folder = await temporaryFolder(t)
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1'
  execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const tls = { cert: readFileSync(cert), key: readFileSync(key) }
  await using server = await start({ maxHandshakes: 20, handshakeTimeout: 60_000, tls })
  const idlers = await Promise.all(Array.from({ length: 60 }, () => tcp(server.url)))
  await until('most are gone', () => idlers.filter(({ closed }) => !closed).length <= 20)
  const client = await connect(server.url, { ca: tls.cert })
  assert.equal(client.socket.readyState, client.socket.OPEN)
  await client.vanish()
  for (const idler of idlers) idler.destroy()
})

/** ms. Without this deadline such a client would never be cut off, and the test would not end. */
const TIMEOUT = 300

const drips: [what: string, first: string][] = [
  ['nothing', ''],
  ['half a request line', 'GET /w'],
  ['half a handshake', upgrade('/ws').slice(0, -20)],
  ['headers without end', 'GET /ws HTTP/1.1\r\nHost: x\r\n'],
]
for (const [what, first] of drips)
  test(`handshakeTimeout: a client that sends ${what} and then a byte now and then is cut off`, async () => {
    await using server = await start({ handshakeTimeout: TIMEOUT })
    const socket = await tcp(server.url)
    socket.write(first)
    const drip = setInterval(() => socket.write(first === '' ? '' : 'x'), 100)
    await answerOf(socket)
    clearInterval(drip)
  })

test('requestTimeout: a second request that arrives byte by byte on a kept-alive connection is cut off', async () => {
  // The first request has to arrive completely in time.
  await using server = await start({ handshakeTimeout: 10 * TIMEOUT, requestTimeout: 10 * TIMEOUT })
  const socket = await tcp(server.url)
  const answered = once(socket, 'data')
  socket.write(head('GET /', { Host: 'x' }))
  await answered
  socket.write('GET / HTTP/1.1\r\nA: ')
  const drip = setInterval(() => socket.write('x'), 100)
  await answerOf(socket)
  clearInterval(drip)
})

test('requestTimeout: a body that arrives byte by byte is cut off', async () => {
  await using server = await start({
    requestTimeout: TIMEOUT,
    handshakeTimeout: TIMEOUT,
    http: (request) => void request.resume(),
  })
  const socket = await tcp(server.url)
  socket.write(head('POST /api/push', { Host: 'x', 'Content-Length': '100000' }, '{"uid":'))
  const drip = setInterval(() => socket.write(' '), 100)
  await answerOf(socket)
  clearInterval(drip)
})

test('a refused client that does not read its answer is soon cut off', async (t) => {
  const large = 'x'.repeat(30_000_000)
  const no = defineModule('/no', { handshake: () => new Response(large, { status: 403 }) })
  await using server = await start({ modules: [quiet, no], maxConnections: 1 })
  const socket = await tcp(server.url)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  try {
    socket.write(upgrade('/no'))
    await once(socket, 'readable')
    t.mock.timers.tick(10_000)
  } finally {
    // Otherwise the server could not close after the test.
    t.mock.timers.reset()
  }
  const client = await server.connect('/ws')
  const answer = await answerOf(socket)
  assert.match(answer, /^HTTP\/1.1 403/)
  assert.ok(answer.length < large.length, 'it is cut off')
  client.close()
})

test('limits with impossible values are refused at once', () => {
  for (const name of [
    'maxConnections',
    'maxConnectionsPerIp',
    'maxHandshakes',
    'maxMessagesPerSecond',
    'requestTimeout',
  ])
    assert.throws(() => createServer({ modules: [], [name]: -1 }), {
      code: 'FLT_BAD_OPTION',
      message: new RegExp(name),
    })
  assert.throws(() => createServer({ modules: [], compression: [] as never }), { code: 'FLT_BAD_OPTION' })
})
