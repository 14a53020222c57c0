import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { errorCodes } from '../../src/errors.ts'
import { API_KEY, caller, SECRET, tokenFor } from '../standalone/api-call.ts'
import { startFlotilla } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { runs } from '../support/fuzz.ts'
import { rawRequest, type RawAnswer } from '../support/raw-request.ts'

/** The statuses in docs/errors.md that a caller can cause. */
const DOCUMENTED = [200, 400, 401, 403, 404, 405, 409, 413, 415, 426, 429]
/** The statuses that Node itself answers, without a body, to malformed HTTP or to an `Expect` header. */
const OF_NODE = [400, 408, 413, 417, 431]

const anyWord = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,8}$/),
  fc
    .string({ unit: 'binary', maxLength: 12 })
    .map((text) => encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, ''))),
  fc.constantFrom(
    '..',
    '.',
    '%',
    '%2F',
    '%00',
    '%E0%A4',
    '%zz',
    '',
    '*',
    '#',
    '__proto__',
    'x'.repeat(300),
    '%F0%9F%91%A9',
  ),
)
const anyQuery = fc.option(
  fc
    .array(fc.tuple(fc.constantFrom('code', 'reason', 'limit', 'cursor', 'x', ''), anyWord), { maxLength: 3 })
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`),
  { nil: '' },
)
const anyPath = fc
  .tuple(
    fc.oneof(
      fc.constantFrom(
        '/api/push',
        '/api/push/batch',
        '/api/nodes',
        '/api/stats',
        '/healthz',
        '/readyz',
        '/ws',
        '/',
        '*',
      ),
      anyWord.map((id) => `/api/users/${id}`),
      anyWord.map((id) => `/api/connections/${id}`),
      anyWord.map((id) => `/api/groups/${id}`),
      fc.tuple(anyWord, anyWord).map(([group, uid]) => `/api/groups/${group}/members/${uid}`),
      fc.array(anyWord, { maxLength: 4 }).map((words) => `/${words.join('/')}`),
      anyWord.map((word) => `http://${word}/api/stats`),
    ),
    anyQuery,
  )
  .map((parts) => parts.join(''))
const anyMethod = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND')

const anyField = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string(), fc.array(fc.string(), { maxLength: 3 }))
const anyPush = fc.dictionary(
  fc.constantFrom('uid', 'group', 'connection', 'all', 'message', 'binary', 'except', 'id', 'key', '__proto__'),
  fc.oneof(anyField, fc.constant(true)),
  { maxKeys: 4 },
)
const anyBody = fc.oneof(
  anyPush.map((body) => JSON.stringify(body)),
  fc.array(fc.oneof(anyPush, anyField), { maxLength: 4 }).map((pushes) => JSON.stringify({ pushes })),
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '['.repeat(5_000), `{"all":true,"message":"${'x'.repeat(3_000)}"}`),
)
const anyHeaders = fc.dictionary(
  fc.constantFrom(
    'content-type',
    'authorization',
    'origin',
    'x-forwarded-for',
    'accept',
    'expect',
    'range',
    'if-match',
  ),
  fc.constantFrom(
    '',
    'application/json',
    'text/plain',
    `Bearer ${API_KEY}`,
    'Bearer x',
    'http://evil',
    'null',
    '*/*',
    '1.2.3.4, x',
    '100-continue',
    'bytes=0-1',
    '\u00fc',
  ),
  { maxKeys: 3 },
)

interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const anyRequest: fc.Arbitrary<Request> = fc.record({
  method: anyMethod,
  path: anyPath,
  headers: anyHeaders,
  body: anyBody,
})
/** Requests that are valid except for the body, so that the server gets as far as reading the body. */
const anyPushRequest: fc.Arbitrary<Request> = fc.record({
  method: fc.constant('POST'),
  path: fc.constantFrom('/api/push', '/api/push/batch'),
  headers: fc.constant({ 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` }),
  body: anyBody,
})

function bytesOf({ method, path, headers, body }: Request): Buffer {
  const content = Buffer.from(body)
  const all = { host: 'localhost', authorization: `Bearer ${API_KEY}`, connection: 'close', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${content.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), content])
}

test('the HTTP API answers any request with a documented answer, and keeps working', async (t) => {
  const flags = [
    '--port=0',
    `--token-secret=${SECRET}`,
    `--api-key=${API_KEY}`,
    '--max-payload=2000',
    '--log-level=error',
  ]
  const { url, child } = await startFlotilla(t, flags)
  let log = ''
  child.stderr?.on('data', (text: Buffer) => (log += text.toString()))
  const bystander = await connect(url, { token: await tokenFor('bystander') })

  await t.test('requests with any method, path, headers and body', async () => {
    const property = fc.asyncProperty(fc.oneof(anyRequest, anyPushRequest), async (request) => {
      assertDocumented(request, await rawRequest(url, bytesOf(request)))
    })
    await fc.assert(property, runs(600))
  })

  await t.test('bytes that are barely a request', async () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc
        .tuple(anyRequest, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 }))
        .map(([request, changes]) => {
          const bytes = bytesOf(request)
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          return bytes
        }),
    )
    const property = fc.asyncProperty(anyBytes, async (bytes) => {
      const { status, body } = await rawRequest(url, bytes)
      assert.ok([0, 101, ...OF_NODE, ...DOCUMENTED].includes(status), `${status} ${body}`)
      assertNoStack(body)
    })
    await fc.assert(property, runs(300))
  })

  assert.equal((await caller(url)('POST', '/api/push', { uid: 'bystander', message: 'still there' })).status, 200)
  while ((await bystander.next()) !== 'still there');
  assert.equal(log, '', 'the server logged no unexpected failure')
})

function assertDocumented(request: Request, { status, headers, body }: RawAnswer): void {
  const said = `${request.method} ${request.path}: ${status} ${body}`
  if (OF_NODE.includes(status) && body === '') return
  assert.ok(DOCUMENTED.includes(status), said)
  assertNoStack(body)
  if (request.method === 'HEAD') return
  if (status === 200 && !request.path.startsWith('/api/')) return
  assert.ok(headers.includes('content-type: application/json'), said)
  const answer = JSON.parse(body) as { error?: { code: string; message: string } }
  if (status === 200) return assert.equal(answer.error, undefined, said)
  assert.deepEqual(Object.keys(answer), ['error'], said)
  assert.deepEqual(Object.keys(answer.error!).toSorted(), ['code', 'message'], said)
  assert.ok((errorCodes as readonly string[]).includes(answer.error!.code), said)
  assert.ok(answer.error!.message.length > 10, said)
}

function assertNoStack(body: string): void {
  assert.doesNotMatch(body, /\n\s+at |node_modules|\.ts:\d/)
}
