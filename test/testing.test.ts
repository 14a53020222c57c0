import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { defineModule, FlotillaError } from '../src/index.ts'
import { connect, RefusedError, startTestServer, TestClient } from '../src/testing.ts'
import { until } from './support/until.ts'

const chat = defineModule('/chat', { message: (ctx) => ctx.raw })

test('next and nextJson give the messages in order, and those that came before the end', async () => {
  await using server = await startTestServer({ modules: [chat] })
  const client = await server.connect('/chat')
  const waiting = client.next()
  for (const message of ['a', '', { n: 1 }, new Uint8Array([123, 125])]) client.send(message)
  assert.equal(await waiting, 'a')
  assert.equal(await client.next(), '')
  assert.deepEqual(await client.nextJson(), { n: 1 })
  assert.deepEqual(await client.nextJson(), {}, 'bytes that hold JSON')
  client.send('not JSON')
  await assert.rejects(client.nextJson(), { code: 'FLT_BAD_JSON', message: /not JSON: "not JSON"/ })
  client.send('last')
  client.send('words')
  await client.next()
  await until('the last message is there', () => client.received.length === 1)
  client.close(4000)
  await client.closed
  assert.equal(await client.next(), 'words')
  await assert.rejects(client.next(), { code: 'FLT_CLOSED' })
})

test('next gives up after its timeout, that of connect, or that of the environment', async (t) => {
  await using server = await startTestServer({ modules: [chat] })
  const client = await server.connect('/chat', { timeout: 20_000 })
  await assert.rejects(client.next({ timeout: 5 }), { code: 'FLT_TIMEOUT', message: 'no message came within 5 ms' })
  const late = client.next()
  client.send('late')
  assert.equal(await late, 'late', 'a call that has given up takes no message from a later one')
  await assert.rejects(new TestClient(client.socket, 6).next(), /within 6 ms/)
  t.after(() => delete process.env['FLOTILLA_TEST_TIMEOUT'])
  process.env['FLOTILLA_TEST_TIMEOUT'] = '7'
  await assert.rejects(new TestClient(client.socket).next(), /within 7 ms/)
  for (const timeout of [0, -1, Number.NaN, 2 ** 31, '5'])
    await assert.rejects(client.next({ timeout: timeout as number }), { code: 'FLT_BAD_OPTION', message: /^next: / })
  await assert.rejects(client.next({ timout: 5 } as object), { code: 'FLT_BAD_OPTION', message: /'timeout'/ })
  process.env['FLOTILLA_TEST_TIMEOUT'] = 'soon'
  await assert.rejects(server.connect('/chat'), { code: 'FLT_BAD_OPTION', message: /^FLOTILLA_TEST_TIMEOUT: / })
})

test('next rejects when the connection closes, with the code and the reason, whether it waits already or not', async () => {
  await using server = await startTestServer({
    modules: [defineModule('/kick', { handshake: (ctx) => void (ctx.uid = 'ann') })],
  })
  const client = await server.connect('/kick')
  const waiting = client.next()
  await server.server.cluster.disconnect({ uid: 'ann' }, 4403, 'too loud')
  const closed = {
    code: 'FLT_CLOSED',
    details: { code: 4403, reason: 'too loud' },
    message: /closed with 4403 \(too loud\)/,
  }
  await assert.rejects(waiting, closed)
  await assert.rejects(client.nextJson(), closed)
})

test('a refused connect rejects with the status, the body and the code of the answer', async () => {
  const modules = [
    defineModule('/json', {
      handshake: () => Response.json({ why: 'full' }, { status: 409, headers: { 'x-n': '1' } }),
    }),
    defineModule('/text', { handshake: () => new Response('go away', { status: 403 }) }),
    defineModule('/bare', { handshake: () => new Response(null, { status: 418 }) }),
    defineModule('/ours', {
      handshake: () => {
        throw new FlotillaError('FLT_UNAUTHORIZED', 'who are you?')
      },
    }),
  ]
  await using server = await startTestServer({ modules })
  const refusalOf = async (path: string): Promise<RefusedError> => {
    const error = await server.connect(path).catch((reason: unknown) => reason)
    assert.ok(error instanceof RefusedError)
    return error
  }
  const json = await refusalOf('/json')
  assert.deepEqual([json.status, json.body, json.code], [409, { why: 'full' }, undefined])
  assert.equal(json.headers['x-n'], '1')
  assert.match((await refusalOf('/text')).message, /refused the connection with 403: "go away"/)
  assert.equal((await refusalOf('/text')).body, 'go away')
  assert.match((await refusalOf('/bare')).message, /with 418: it gave no reason/)
  const ours = await refusalOf('/ours')
  assert.deepEqual([ours.status, ours.code], [401, 'FLT_UNAUTHORIZED'])
  assert.match(ours.message, /with 401: FLT_UNAUTHORIZED: who are you\?/)
  assert.equal((await refusalOf('/nowhere')).status, 404)
})

test('the error of each helper has the line of the test in its stack', async () => {
  const modules = [chat, defineModule('/kick', { open: (ctx) => ctx.connection.disconnect(4000) })]
  await using server = await startTestServer({ modules })
  const client = await server.connect('/chat')
  const kicked = await server.connect('/kick')
  const calls: Record<string, () => Promise<unknown>> = {
    refused: () => server.connect('/nowhere'),
    alsoRefused: () => connect(`${server.url}/nowhere`),
    unreachable: () => connect('http://127.0.0.1:1'),
    late: () => client.next({ timeout: 1 }),
    lateJson: () => client.nextJson({ timeout: 1 }),
    closed: () => kicked.next(),
  }
  for (const [name, call] of Object.entries(calls)) {
    const { stack = '', message } = (await call().catch((error: unknown) => error)) as Error
    const [title = '', place = ''] = stack.split('\n')
    assert.ok(title.endsWith(message), stack)
    assert.match(place, new RegExp(`at (Object\\.)?${name} .*testing\\.test\\.ts`), stack)
  }
})

test('a connect to a server that never answers gives up', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  t.after(() => silent.close())
  // A socket that asked for an upgrade is not the server's any more.
  silent.on('upgrade', (_request, socket) => t.after(() => socket.destroy()))
  await once(silent, 'listening')
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  await assert.rejects(connect(url, { timeout: 50 }), /handshake has timed out/)
})

test('what a test awaits late, or never, does not end the process', async (t) => {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const server = await startTestServer({ modules: [chat] })
  const client = await server.connect('/chat')
  const calls = [client.next(), client.nextJson(), server.connect('/nowhere'), connect(`${server.url}/nowhere`)]
  client.socket.emit('error', new Error('as after a broken frame'))
  await server.close()
  await client.closed
  await assert.rejects(calls[2]!)
  await assert.rejects(calls[3]!)
  await new Promise(setImmediate)
  assert.deepEqual(unhandled, [])
  await assert.rejects(calls[0]!, { code: 'FLT_CLOSED' })
})
