import assert from 'node:assert/strict'
import type { RequestListener, ServerResponse } from 'node:http'
import { test } from 'node:test'
import type { ErrorReport } from '../../src/api.ts'
import { defineModule, type ServerOptions } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { API_KEY, caller, errorOf, SECRET, tokenFor } from '../standalone/api-call.ts'
import { startFlotilla } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { until } from '../support/until.ts'
import { answerOf, exchange, head, tcp, upgrade } from './wire.ts'

const flags = ['--port=0', `--token-secret=${SECRET}`, `--api-key=${API_KEY}`]
const quiet = defineModule('/ws', {})
const start = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startTestServer({ modules: [quiet], ...options })

const smuggled = head('GET /smuggled', { Host: 'x' })

test('request smuggling: bytes that could be read as two requests are refused', async (t) => {
  await using server = await start()
  const post = (headers: Record<string, string | string[]>, body: string): string =>
    head('POST /', { Host: 'x', ...headers }, body)
  const chunked = `0\r\n\r\n${smuggled}`
  const shapes: Record<string, string> = {
    'a length beside a transfer coding': post({ 'Content-Length': '6', 'Transfer-Encoding': 'chunked' }, chunked),
    'the other way around': post({ 'Transfer-Encoding': 'chunked', 'Content-Length': '6' }, chunked),
    'two lengths': post({ 'Content-Length': ['6', '0'] }, 'x'.repeat(6)),
    'a length of two numbers': post({ 'Content-Length': '6, 6' }, 'x'.repeat(6)),
    'a length with a sign': post({ 'Content-Length': '+6' }, 'x'.repeat(6)),
    'an unknown transfer coding': post({ 'Transfer-Encoding': 'xchunked' }, chunked),
    'chunked, and another coding after it': post({ 'Transfer-Encoding': 'chunked, identity' }, chunked),
    'a space before the colon': `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n${chunked}`,
    'a folded header': `POST / HTTP/1.1\r\nHost: x\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    'an invalid chunk size': post({ 'Transfer-Encoding': 'chunked' }, `0x5\r\nhello\r\n${chunked}`),
    'a bare line feed': `POST / HTTP/1.1\nHost: x\nContent-Length: 6\n\nx`,
    'a null in a header': `POST / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n`,
  }
  for (const [name, bytes] of Object.entries(shapes))
    await t.test(name, async () => {
      const answer = await exchange(server.url, bytes)
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, answer)
      // If the flaw comes after the head, the head is answered, and then the connection ends.
      assert.match(answer, /^HTTP\/1\.1 40[04] /)
    })
})

test('request smuggling: a handshake with a body is refused', async () => {
  await using server = await start()
  assert.match(
    await exchange(server.url, upgrade('/ws', { 'Transfer-Encoding': 'chunked' }, '0\r\n\r\n')),
    /^HTTP\/1\.1 400 /,
  )
  assert.match(
    await exchange(server.url, upgrade('/ws', { 'Content-Length': String(smuggled.length) }, smuggled)),
    /^HTTP\/1\.1 400 /,
  )
})

test('a handshake after a request that is not answered yet ends the connection, so no answer mixes with frames', async () => {
  const waiting: ServerResponse[] = []
  const http: RequestListener = (request, response) => {
    if (request.url === '/slow') waiting.push(response)
    else response.end('at once')
  }
  await using server = await start({ http })
  const ask = (path: string): string => head(`GET ${path}`, { Host: 'x' })
  assert.equal(await exchange(server.url, ask('/slow') + upgrade('/ws')), '')
  assert.equal(waiting.length, 1)
  assert.equal(server.server.stats().connectionCount, 0)
  const socket = await tcp(server.url)
  socket.write(ask('/') + upgrade('/ws'))
  const said: string[] = []
  socket.on('data', (data) => said.push(String(data)))
  await until('both are answered', () => said.join('').includes(' 101 '))
  assert.match(said.join(''), /^HTTP\/1\.1 200 .*at once.*HTTP\/1\.1 101 /s)
  socket.destroy()
})

test('headers of more than 16 KiB in total get 431, at once or one after another', async () => {
  await using server = await start()
  assert.match(await exchange(server.url, upgrade('/ws', { A: 'x'.repeat(20_000) })), /^HTTP\/1\.1 431 /)
  const socket = await tcp(server.url)
  socket.write('GET /ws HTTP/1.1\r\nHost: x\r\n')
  const answer = answerOf(socket)
  for (let n = 0; n < 400 && !socket.destroyed; n++) {
    socket.write(`A${n}: ${'x'.repeat(50)}\r\n`)
    if (n % 50 === 0) await new Promise(setImmediate)
  }
  assert.match(await answer, /^(HTTP\/1\.1 431 |$)/)
})

test('a handshake with more than 100 headers gets 431, because an Origin could hide behind them', async () => {
  await using server = await start()
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`a${n}`, '']))
  assert.match(await exchange(server.url, upgrade('/ws', many(96))), /^HTTP\/1\.1 431 [\s\S]*FLT_TOO_MANY_HEADERS/)
  const socket = await tcp(server.url)
  socket.write(upgrade('/ws', many(90)))
  socket.once('data', () => socket.destroy())
  assert.match(await answerOf(socket), /^HTTP\/1\.1 101 /)
})

test('header injection: a line break never gets into an answer', async () => {
  const reports: ErrorReport[] = []
  const BREAK = 'x\r\nSet-Cookie: a=b'
  const modules = [
    defineModule('/header', { handshake: (ctx) => ctx.headers.set('x-name', ctx.url.searchParams.get('name') ?? '') }),
    defineModule('/protocol', { handshake: (ctx) => void (ctx.protocol = ctx.url.searchParams.get('name') ?? '') }),
    defineModule('/status', {
      handshake: (ctx) => new Response('', { status: 403, statusText: ctx.url.searchParams.get('name') ?? '' }),
    }),
  ]
  await using server = await start({ modules, onError: (report) => void reports.push(report) })
  for (const path of ['/header', '/protocol', '/status']) {
    const answer = await exchange(server.url, upgrade(`${path}?name=${encodeURIComponent(BREAK)}`))
    assert.match(answer, /^HTTP\/1\.1 500 [\s\S]*FLT_INTERNAL/, path)
    assert.doesNotMatch(answer, /set-cookie/i, path)
  }
  assert.equal(reports.length, 3)
})

test('the answer never names a subprotocol that the client did not offer', async () => {
  const pick = defineModule('/pick', { handshake: (ctx) => void (ctx.protocol = 'b') })
  await using server = await start({ modules: [pick] })
  const client = await server.connect('/pick', { protocols: ['a', 'b'] })
  assert.equal(client.socket.protocol, 'b')
  assert.match(await exchange(server.url, upgrade('/pick', { 'Sec-WebSocket-Protocol': 'a, bb' })), /^HTTP\/1\.1 500 /)
})

test('headers of a hook about the length or coding of its body are not sent', async () => {
  const headers = { 'transfer-encoding': 'chunked', 'content-length': '999', 'x-mine': 'yes' }
  const no = defineModule('/no', { handshake: () => new Response('no', { status: 403, headers }) })
  await using server = await start({ modules: [no] })
  const answer = await exchange(server.url, upgrade('/no'))
  assert.match(answer, /x-mine: yes/)
  assert.match(answer, /content-length: 2\r\n\r\nno$/)
  assert.doesNotMatch(answer, /transfer-encoding|999/)
})

test('plain HTTP gets 426 at the path of a module, and 404 elsewhere', async () => {
  await using server = await start()
  const ask = (path: string): Promise<string> =>
    exchange(server.url, head(`GET ${path}`, { Host: 'x', Connection: 'close' }))
  assert.match(await ask('/ws'), /^HTTP\/1\.1 426 [\s\S]*upgrade: websocket[\s\S]*FLT_UPGRADE_REQUIRED/)
  assert.match(await ask('/'), /^HTTP\/1\.1 404 [\s\S]*FLT_NOT_FOUND/)
})

test('the standalone server: Expect, 426, what its answers reveal, and who may call what', async (t) => {
  const { url } = await startFlotilla(t, [...flags, '--log-level=silent'])
  const call = caller(url)
  await t.test('an Expect other than 100-continue gets 417, and 100-continue is answered', async () => {
    const close = { Host: 'x', Connection: 'close' }
    assert.match(await exchange(url, head('GET /healthz', { ...close, Expect: 'a-miracle' })), /^HTTP\/1\.1 417 /)
    const continued = head('POST /api/push', { ...close, Expect: '100-continue', 'Content-Length': '2' }, '{}')
    assert.match(await exchange(url, continued), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 401 /)
  })
  await t.test('plain HTTP on the path of the WebSocket gets 426', async () => {
    const answer = await call('GET', '/ws')
    assert.deepEqual([answer.status, errorOf(answer).code], [426, 'FLT_UPGRADE_REQUIRED'])
    assert.equal(answer.headers.upgrade, 'websocket')
  })
  await t.test("no answer names the server's software", async () => {
    for (const path of ['/', '/healthz', '/api/stats', '/ws', '/metrics', '/nothing']) {
      const { headers } = await fetch(url + path, { headers: { authorization: `Bearer ${API_KEY}` } })
      assert.deepEqual([headers.get('server'), headers.get('x-powered-by')], [null, null], path)
    }
  })
  await t.test('every call of the API needs the key, however its path is spelled', async () => {
    const paths = [
      '/api/push',
      '/api/stats',
      '/api/users/a',
      '/api/nodes',
      '/api/../api/stats',
      '/api//stats',
      '/api/%73tats',
    ]
    for (const path of paths)
      for (const method of ['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS']) {
        const headers = { Host: 'x', Connection: 'close', 'Content-Length': '0' }
        assert.match(await exchange(url, head(`${method} ${path}`, headers)), /^HTTP\/1\.1 401 /, `${method} ${path}`)
      }
    for (const path of ['/API/stats', '//api/stats', '/./api/stats'])
      assert.match(
        await exchange(url, head(`GET ${path}`, { Host: 'x', Connection: 'close' })),
        /^HTTP\/1\.1 404 /,
        path,
      )
  })
  await t.test('a push to 10001 users at once is refused with an explanation', async () => {
    const uid = Array.from({ length: 10_001 }, (_, n) => `u${n}`)
    const answer = await call('POST', '/api/push', { uid, message: 'x' })
    assert.deepEqual([answer.status, errorOf(answer).code], [400, 'FLT_BAD_TARGET'])
    assert.match(errorOf(answer).message, /^uid lists 10001: at most 10000/)
  })
})

test('wrong API keys are counted and limited by network, and an address that has sent the right key is not shut out', async (t) => {
  const { url } = await startFlotilla(t, [...flags, '--log-level=silent', '--trust-proxy=127.0.0.1'])
  const ask = (key: string, ip: string) =>
    fetch(`${url}/api/stats`, { headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': ip } })
  const guess = async (ip: string, count: number): Promise<number[]> =>
    Promise.all(Array.from({ length: count }, async (_, n) => (await ask(`guess-${n}`, ip)).status))
  assert.equal((await ask(API_KEY, '10.0.0.1')).status, 200)
  const startedAt = performance.now()
  const fromStranger = [...(await guess('2001:db8::1', 50)), ...(await guess('2001:db8::2', 50))]
  const compared = fromStranger.filter((status) => status === 401).length
  const seconds = (performance.now() - startedAt) / 1_000
  assert.equal(fromStranger.filter((status) => status === 429).length, 100 - compared)
  assert(compared >= 10 && compared <= 11 + seconds, `${compared} in ${seconds} s`)
  const fromOffice = await guess('10.0.0.1', 100)
  assert.deepEqual(new Set(fromOffice), new Set([401]))
  const right = await ask(API_KEY, '10.0.0.1')
  assert.equal(right.status, 200, 'even if somebody guesses from the same address')
  assert.equal(((await right.json()) as { local: { wrongKeyCount: number } }).local.wrongKeyCount, 200)
  const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${API_KEY}` } })
  assert.match(await metrics.text(), /^flotilla_wrong_keys_total 200$/m)
})

test('a client that guesses API keys is told how long to wait, which is logged once', async (t) => {
  const server = await startFlotilla(t, [...flags, '--log-level=warn'])
  const headers = { authorization: 'Bearer guess' }
  const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(`${server.url}/api/stats`, { headers })))
  const slowed = answers.find(({ status }) => status === 429)
  assert.equal(slowed?.headers.get('retry-after'), '1')
  assert.match(await slowed.text(), /"FLT_TOO_MANY"/)
  server.child.kill('SIGTERM')
  const { stderr } = await server.ended
  assert.equal(stderr.match(/too many wrong API keys/g)?.length, 1, stderr)
})

test('an API key that can be guessed causes one warning', async (t) => {
  const quiet = ['--port=0', `--token-secret=${'s'.repeat(32)}`, '--log-level=silent']
  for (const [key, times] of [
    ['k'.repeat(31), 1],
    ['k'.repeat(32), 0],
  ] as const) {
    const server = await startFlotilla(t, [...quiet, `--api-key=${key}`])
    await fetch(`${server.url}/api/stats`, { headers: { authorization: `Bearer ${key}` } })
    server.child.kill('SIGTERM')
    const { stderr } = await server.ended
    assert.equal(stderr.match(/FLT_WEAK_SECRET/g)?.length ?? 0, times, stderr)
    assert.doesNotMatch(stderr, /kkk/)
  }
})

test('forwarded headers count only from a trusted proxy, and Host counts only for sameOrigin', async (t) => {
  const { url } = await startFlotilla(t, [...flags, '--log-level=silent', '--trust-proxy=10.9.9.9'])
  const token = await tokenFor('ann')
  const forged = { 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4', 'x-real-ip': '1.2.3.4', host: 'elsewhere' }
  const client = await connect(url, { token, headers: forged })
  t.after(() => client.vanish())
  const { body } = await caller(url)('GET', '/api/users/ann')
  assert.equal((body as { connections: { ip: string }[] }).connections[0]!.ip, '127.0.0.1')
})

test('no header is lost behind a thousand others, so the address that a proxy adds counts', async (t) => {
  const many = Array.from({ length: 1_100 }, () => '')
  const behind = { A: many, 'X-Forwarded-For': '203.0.113.9', Connection: 'close' }
  const dev = await startFlotilla(t, ['--port=0', '--dev', '--log-level=silent'])
  assert.match(await exchange(dev.url, head('GET /api/stats', { Host: 'localhost', ...behind })), /^HTTP\/1\.1 403 /)
  const { url } = await startFlotilla(t, [...flags, '--log-level=silent', '--trust-proxy=127.0.0.1'])
  const guess = (n: number): Promise<string> => {
    const claimed = { Host: 'x', Authorization: 'Bearer wrong', 'x-forwarded-for': `198.51.100.${n}` }
    return exchange(url, head('GET /api/stats', { ...claimed, ...behind }))
  }
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => guess(n)))
  assert.ok(answers.some((answer) => answer.startsWith('HTTP/1.1 429 ')))
})

test('errors reveal no internals to a client: no stack, no cause, no path', async () => {
  const secret = 'postgres://admin:hunter2@10.0.0.7'
  const fails = (): never => {
    throw new Error(secret, { cause: new Error(secret) })
  }
  const leaky = defineModule('/leaky', { handshake: fails })
  const commands = defineModule('/commands', { commands: { fail: { run: fails } } })
  await using server = await start({ modules: [leaky, commands] })
  const answer = await exchange(server.url, upgrade('/leaky'))
  assert.match(answer, /^HTTP\/1\.1 500 /)
  const client = await server.connect('/commands')
  client.send({ cmd: 'fail', id: 1 })
  const reply = JSON.stringify(await client.nextJson())
  for (const said of [answer, reply]) assert.doesNotMatch(said, /hunter2|node_modules|\.ts|at /)
})

test('logs never contain a token, an API key or a cookie, even at the level debug', async (t) => {
  const { url, child, ended } = await startFlotilla(t, [...flags, '--log-level=debug', '--echo'])
  const token = await tokenFor('ann')
  const good = await connect(url, { token, path: '/echo', headers: { cookie: 'session=cookie-value' } })
  good.socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
  await good.closed
  const bad = `${token.slice(0, -6)}AAAAAA`
  await assert.rejects(connect(url, { token: bad }))
  await assert.rejects(connect(url, { headers: { authorization: `Bearer ${bad}` } }))
  await assert.rejects(connect(url, { protocols: ['flotilla', `token.${bad}`] }))
  const call = caller(url)
  await call('POST', `/api/push?token=${token}`, 'not json')
  await call('GET', '/api/stats', undefined, { Authorization: 'Bearer a-wrong-key' })
  child.kill('SIGTERM')
  const { stdout, stderr } = await ended
  const said = stdout + stderr
  assert.match(said, /broke the protocol/, 'it does log')
  for (const secret of [token.slice(0, 30), token.slice(-20), API_KEY, 'a-wrong-key', 'cookie-value', SECRET])
    assert.ok(!said.includes(secret), secret)
})
