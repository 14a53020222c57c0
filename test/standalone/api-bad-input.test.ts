import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { API_KEY, caller, errorOf, SECRET } from './api-call.ts'
import { startFlotilla } from './flotilla.ts'

const flags = ['--port=0', `--token-secret=${SECRET}`, '--max-payload=2000', '--log-level=silent']

interface Bad {
  readonly body?: unknown
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly answer: readonly [status: number, code: string, message: RegExp]
}

const message = 'x'
const badTarget = (says: RegExp) => [400, 'FLT_BAD_TARGET', says] as const
const badRequest = (says: RegExp) => [400, 'FLT_BAD_REQUEST', says] as const
const zeros = Buffer.alloc(16 * 2 ** 20)
const gzip = { 'Content-Encoding': 'gzip' }

const bad: Readonly<Record<string, Bad>> = {
  'no target': { body: { message }, answer: badTarget(/uid, group, connection, all/) },
  'two targets': { body: { uid: 'a', group: 'b', message }, answer: badTarget(/uid and group/) },
  'a target beside null': { body: { uid: 'a', group: null, message }, answer: badTarget(/uid and group/) },
  'uid null': { body: { uid: null, message }, answer: badTarget(/^uid is null/) },
  'uid in a list null': { body: { uid: ['a', null], message }, answer: badTarget(/^uid\[1\] is null/) },
  'uid empty': { body: { uid: '', message }, answer: badTarget(/^uid is empty/) },
  'uid of 256 bytes': { body: { uid: 'é'.repeat(128), message }, answer: badTarget(/^uid has 256 bytes/) },
  'uid a number': { body: { uid: 7, message }, answer: badTarget(/^uid is number/) },
  'group empty': { body: { group: '', message }, answer: badTarget(/^group is empty/) },
  'all false': { body: { all: false, message }, answer: badTarget(/^all must be true/) },
  'except null': { body: { all: true, message, except: null }, answer: badRequest(/except/) },
  'except misspelt': { body: { all: true, message, except: { uids: 'a' } }, answer: badRequest(/uids/) },
  'except empty': { body: { all: true, message, except: { uid: '' } }, answer: badTarget(/^except\.uid is empty/) },
  'id empty': { body: { all: true, message, id: '' }, answer: [400, 'FLT_BAD_ID', /^id is empty/] },
  'id null': { body: { all: true, message, id: null }, answer: [400, 'FLT_BAD_ID', /^id is null/] },
  'key empty': { body: { all: true, message, key: '' }, answer: [400, 'FLT_BAD_ID', /^key is empty/] },
  'key of 256 bytes': {
    body: { all: true, message, key: 'é'.repeat(128) },
    answer: [400, 'FLT_BAD_ID', /^key has 256 bytes/],
  },
  'hold a text': { body: { uid: 'u', message, hold: '60' }, answer: badRequest(/^hold takes whole milliseconds/) },
  'hold null': { body: { uid: 'u', message, hold: null }, answer: badRequest(/^hold takes .* from 1 to 60000$/) },
  'hold for a group': { body: { group: 'g', message, hold: 1 }, answer: badTarget(/^hold is for pushes to users/) },
  'no message': { body: { all: true }, answer: badRequest(/^message is missing/) },
  'message and binary': { body: { all: true, message, binary: 'AA==' }, answer: badRequest(/message and binary/) },
  'bad base64': { body: { all: true, binary: 'not base64!' }, answer: badRequest(/^binary must be base64/) },
  'base64 cut off': { body: { all: true, binary: 'AAAAA' }, answer: badRequest(/^binary must be base64/) },
  'binary a number': { body: { all: true, binary: 1 }, answer: badRequest(/^binary/) },
  'an unknown field': {
    body: { all: true, message, colour: 1 },
    answer: badRequest(/^colour: there is no such field/),
  },
  'a field named __proto__': { body: '{"all":true,"message":"x","__proto__":{}}', answer: badRequest(/__proto__/) },
  'body null': { body: 'null', answer: badRequest(/must be a JSON object/) },
  'body a list': { body: '[]', answer: badRequest(/must be a JSON object/) },
  'body not JSON': { body: '{"all":true', answer: [400, 'FLT_BAD_JSON', /not JSON/] },
  'body empty': { body: '', answer: [400, 'FLT_BAD_JSON', /not JSON/] },
  'message too large': { body: { all: true, message: 'x'.repeat(2001) }, answer: [413, 'FLT_TOO_LARGE', /2000/] },
  'bytes too large': {
    body: { all: true, binary: Buffer.alloc(2001).toString('base64') },
    answer: [413, 'FLT_TOO_LARGE', /2000/],
  },
  'body too large': { body: ' '.repeat(2_000_000), answer: [413, 'FLT_TOO_LARGE', /larger than/] },
  'another content type': {
    body: { all: true, message },
    headers: { 'Content-Type': 'text/plain' },
    answer: [415, 'FLT_BAD_CONTENT_TYPE', /application\/json/],
  },
  'a gzip bomb': { body: gzipSync(zeros), headers: gzip, answer: [413, 'FLT_TOO_LARGE', /once inflated/] },
  'a gzip bomb in parts': {
    body: Buffer.concat(Array.from({ length: 20 }, () => gzipSync(zeros.subarray(0, 2 ** 20)))),
    headers: gzip,
    answer: [413, 'FLT_TOO_LARGE', /once inflated/],
  },
  'a brotli bomb': {
    body: brotliCompressSync(zeros),
    headers: { 'Content-Encoding': 'br' },
    answer: [413, 'FLT_TOO_LARGE', /once inflated/],
  },
  'a body that is not gzip': { body: { all: true, message }, headers: gzip, answer: badRequest(/is not gzip/) },
  'gzip cut off': { body: gzipSync('{"all":true}').subarray(0, -9), headers: gzip, answer: badRequest(/is not gzip/) },
  'an empty body that claims to be gzip': { body: '', headers: gzip, answer: badRequest(/is not gzip/) },
  'gzip without a word about it': {
    body: gzipSync('{"all":true}'),
    answer: [400, 'FLT_BAD_JSON', /compressed: send its Content-Encoding/],
  },
  'an unknown coding': {
    body: { all: true, message },
    headers: { 'Content-Encoding': 'zstd' },
    answer: [415, 'FLT_BAD_CONTENT_TYPE', /one of gzip, deflate, br/],
  },
  'two codings': {
    body: gzipSync(gzipSync('{}')),
    headers: { 'Content-Encoding': 'gzip, gzip' },
    answer: [415, 'FLT_BAD_CONTENT_TYPE', /one of gzip, deflate, br/],
  },
  'a content type with the same beginning': {
    body: { all: true, message },
    headers: { 'Content-Type': 'application/json5' },
    answer: [415, 'FLT_BAD_CONTENT_TYPE', /application\/json/],
  },
  'a batch without pushes': { path: '/api/push/batch', body: {}, answer: badRequest(/^pushes takes a list/) },
  'a batch of too many': {
    path: '/api/push/batch',
    body: { pushes: Array.from({ length: 1001 }, () => ({})) },
    answer: badRequest(/^pushes has more than 1000/),
  },
  'a batch with an unknown field': {
    path: '/api/push/batch',
    body: { pushes: [], x: 1 },
    answer: badRequest(/^x: there is no/),
  },
  'a close code of the protocol': {
    method: 'DELETE',
    path: '/api/users/a?code=1006',
    answer: badRequest(/^code takes 1000 or a number from 3000 to 4999/),
  },
  'a close code of too many digits': {
    method: 'DELETE',
    path: '/api/groups/a?code=40000',
    answer: badRequest(/^code takes/),
  },
  'a reason of 124 bytes': {
    method: 'DELETE',
    path: `/api/connections/a-0?reason=${'%C3%A9'.repeat(62)}`,
    answer: badRequest(/^reason takes at most 123 bytes/),
  },
  'an unknown query': { method: 'DELETE', path: '/api/users/a?cod=1000', answer: badRequest(/^cod: there is no/) },
  'a query twice': {
    method: 'DELETE',
    path: '/api/users/a?code=1000&code=4000',
    answer: badRequest(/^code occurs twice/),
  },
  'limit 0': { method: 'GET', path: '/api/groups/a?limit=0', answer: badRequest(/^limit takes/) },
  'limit 1001': { method: 'GET', path: '/api/groups/a?limit=1001', answer: badRequest(/^limit takes/) },
  'an empty cursor': { method: 'GET', path: '/api/groups/a?cursor=', answer: badRequest(/^cursor takes/) },
  'a long uid in the path': { method: 'GET', path: `/api/users/${'u'.repeat(256)}`, answer: badTarget(/^uid has 256/) },
  'a % that is no percent-encoding': {
    method: 'GET',
    path: '/api/users/a%E0%A4',
    answer: badRequest(/percent-encoded/),
  },
  'an empty uid in the query': { method: 'GET', path: '/api/users?uid=', answer: badTarget(/^uid is empty/) },
  'no uid in the query': { method: 'DELETE', path: '/api/users', answer: badRequest(/^uid is missing from the query/) },
  'no group in the query': { method: 'PUT', path: '/api/members?uid=a', answer: badRequest(/^group is missing/) },
  'a uid twice': { method: 'DELETE', path: '/api/users?uid=a&uid=b', answer: badRequest(/^uid occurs twice/) },
  'a uid in the path and in the query': {
    method: 'DELETE',
    path: '/api/users/a?uid=b',
    answer: badRequest(/^uid: there is no such field/),
  },
  'a long group in the query': {
    method: 'GET',
    path: `/api/groups?group=${'g'.repeat(256)}`,
    answer: badTarget(/^group has 256/),
  },
  'a % in the query that is no percent-encoding': {
    method: 'DELETE',
    path: '/api/users?uid=100%',
    answer: badRequest(/^the query holds a % that is not percent-encoded/),
  },
  'a uid that the client has folded away': {
    method: 'GET',
    path: '/api/',
    answer: [404, 'FLT_NOT_FOUND', /nothing at \/api\/.*in the query, as in \/api\/users\?uid=/],
  },
  'a backslash in the path': { method: 'GET', path: '/api\\users', answer: badRequest(/request/) },
  'an empty uid in the path': { method: 'GET', path: '/api/users/', answer: [404, 'FLT_NOT_FOUND', /nothing at/] },
  'an unknown path': { path: '/api/pusch', body: {}, answer: [404, 'FLT_NOT_FOUND', /\/api\/pusch/] },
  'a wrong method': { method: 'GET', path: '/api/push', answer: [405, 'FLT_BAD_METHOD', /use POST/] },
  'OPTIONS of another site': { method: 'OPTIONS', path: '/api/push', answer: [405, 'FLT_BAD_METHOD', /use POST/] },
}

test('bad input is refused with a message that says what to change', async (t) => {
  const { url } = await startFlotilla(t, [...flags, `--api-key=${API_KEY}`])
  const call = caller(url)
  for (const [name, { method = 'POST', path = '/api/push', body, headers, answer }] of Object.entries(bad)) {
    await t.test(name, async () => {
      const [status, code, says] = answer
      const given = await call(method, path, body, headers)
      assert.deepEqual([given.status, errorOf(given).code], [status, code], errorOf(given).message)
      assert.match(errorOf(given).message, says)
      const headerNames = Object.keys(given.headers)
      assert(!headerNames.some((header) => header.startsWith('access-control-')))
      if (status === 405) assert.equal(given.headers.allow, 'POST')
    })
  }
  await t.test('a body in chunks is measured too', async () => {
    assert.match(await pushInChunks(url, ' '.repeat(65_536), 40), /^HTTP\/1\.1 413 /)
    assert.match(
      await pushInChunks(url, ' '.repeat(2 ** 20), 20),
      /^(HTTP\/1\.1 413 |$)/,
      'there is an end to patience',
    )
    assert.match(await pushInChunks(url, '{"all":true,"message":"x"}', 1), /^HTTP\/1\.1 200 /)
  })
})

async function pushInChunks(url: string, chunk: string, count: number): Promise<string> {
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  const head = ['POST /api/push HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${API_KEY}`]
  const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked', 'Connection: close']
  socket.write(`${[...head, ...headers].join('\r\n')}\r\n\r\n`)
  let answer = ''
  socket.on('data', (data) => (answer += data))
  // The server may answer and close before the whole body is sent. The error of sending does not matter here.
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (let sent = 0; sent < count; sent++) socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  socket.write('0\r\n\r\n')
  await closed
  return answer
}

test('the API needs the key', async (t) => {
  const { url } = await startFlotilla(t, [...flags, `--api-key=${API_KEY}`])
  for (const authorization of ['Bearer wrong', 'Bearer', `Basic ${API_KEY}`, `Bearer ${API_KEY}x`, '']) {
    const answer = await caller(url)('GET', '/api/stats', undefined, { Authorization: authorization })
    assert.deepEqual([answer.status, errorOf(answer).code], [401, 'FLT_UNAUTHORIZED'], authorization)
    assert.equal(answer.headers['www-authenticate'], 'Bearer')
  }
  const answer = await caller(url)('GET', '/api/nothing', undefined, { Authorization: '' })
  assert.equal(answer.status, 401, 'without the key, nobody learns which paths exist')
})

test('without an API key the API is off', async (t) => {
  const { url } = await startFlotilla(t, flags)
  const answer = await caller(url)('POST', '/api/push', { all: true, message: 'x' })
  assert.deepEqual([answer.status, errorOf(answer).code], [403, 'FLT_FORBIDDEN'])
  assert.match(errorOf(answer).message, /--api-key/)
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
})
