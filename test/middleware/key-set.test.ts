import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { authenticate, defineModule } from '../../src/index.ts'
import { type Logger, silent } from '../../src/logger.ts'
import { KeysAway, KeySet, type KeySetTimes } from '../../src/middleware/key-set.ts'
import { startTestServer } from '../../src/testing.ts'
import { until } from '../support/until.ts'

const HOUR = 3_600_000
const pairs = { k1: await generateKeyPair('ES256'), k2: await generateKeyPair('ES256') }
type Kid = keyof typeof pairs

const jwkOf = async (kid: Kid) => ({ ...(await exportJWK(pairs[kid].publicKey)), kid, alg: 'ES256' })
const [one, two] = [await jwkOf('k1'), await jwkOf('k2')]

function sign(kid: string, pair: Kid = kid as Kid, payload: JWTPayload = {}): Promise<string> {
  const claims = { iss: 'me', aud: 'you', sub: 'ann', ...payload }
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(pairs[pair].privateKey)
}

/** A key endpoint that answers as it is told to, and counts its requests. */
class Endpoint {
  requestCount = 0
  answer: (response: ServerResponse) => void = publishing(one)
  url = ''

  static async open(t: TestContext): Promise<Endpoint> {
    const endpoint = new Endpoint()
    const http = createServer((_request, response) => {
      endpoint.requestCount++
      endpoint.answer(response)
    }).listen(0, '127.0.0.1')
    t.after(() => {
      http.close()
      http.closeAllConnections()
    })
    await once(http, 'listening')
    endpoint.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/keys`
    return endpoint
  }
}

function publishing(...keys: object[]): Endpoint['answer'] {
  return saying(JSON.stringify({ keys }))
}

function saying(body: string, status = 200, headers = {}): Endpoint['answer'] {
  return (response) => response.writeHead(status, headers).end(body)
}

const failing = saying('sorry', 500)

function logging(): { lines: string[]; log: Logger } {
  const lines: string[] = []
  return { lines, log: { ...silent, error: (_fields, message) => void lines.push(String(message)) } }
}

/** Checks tokens with these keys: returns the user, `away`, or the code of what is wrong with the token. */
function asking(keys: KeySet, log: Logger = silent): (token: string | Promise<string>) => Promise<string> {
  return async (token) => {
    try {
      const { payload } = await jwtVerify(await token, (header, jws) => keys.find(header, jws, log))
      return payload.sub ?? ''
    } catch (error) {
      return error instanceof KeysAway ? 'away' : (error as { code: string }).code
    }
  }
}

/** Times so long that during a test only those count that the test sets. */
const NEVER: Partial<KeySetTimes> = {
  freshFor: HOUR,
  pause: HOUR,
  firstPause: HOUR,
  longestPause: HOUR,
  timeout: 60_000,
}

test('120 handshakes while the endpoint fails cause one request per pause, and one log line per request', async (t) => {
  const endpoint = await Endpoint.open(t)
  endpoint.answer = failing
  const { lines, log } = logging()
  const guard = authenticate({ jwks: endpoint.url, issuer: 'me', audience: 'you' })
  const module = defineModule('/ws', {})
  await using server = await startTestServer({ modules: [module], middleware: { handshake: [guard] }, logger: log })
  const tokens = [await sign('k1'), await sign('forged', 'k2')]
  const started = performance.now()
  for (let n = 0; n < 120; n++) await assert.rejects(server.connect(`/ws?token=${tokens[n % 2]}`), /503/)
  // The pauses take 1, 2, 4 … seconds, so the nth request is at least 2^(n-1) - 1 seconds after the first.
  const seconds = (performance.now() - started) / 1_000
  assert.ok(endpoint.requestCount >= 1)
  assert.ok(endpoint.requestCount <= 1 + Math.log2(seconds + 1), `${endpoint.requestCount} requests in ${seconds} s`)
  assert.ok(lines.length >= 1 && lines.length <= endpoint.requestCount, lines.join('\n'))
})

test('simultaneous handshakes share one request, and those in the pause after it make none', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url), NEVER))
  const held: ServerResponse[] = []
  endpoint.answer = (response) => void held.push(response)
  const first = Array.from({ length: 50 }, () => ask(sign('k1')))
  const forged = Array.from({ length: 50 }, (_, n) => ask(sign(`forged-${n}`, 'k2')))
  await until('the endpoint is asked', () => held.length > 0)
  publishing(one)(held[0]!)
  assert.deepEqual(new Set(await Promise.all(first)), new Set(['ann']))
  assert.deepEqual(new Set(await Promise.all(forged)), new Set(['ERR_JWKS_NO_MATCHING_KEY']))
  for (let n = 0; n < 50; n++) assert.equal(await ask(sign(`other-${n}`, 'k2')), 'ERR_JWKS_NO_MATCHING_KEY')
  assert.equal(endpoint.requestCount, 1)
})

test('known keys are used while the endpoint fails, which is asked once per pause and reported once', async (t) => {
  const endpoint = await Endpoint.open(t)
  const { lines, log } = logging()
  const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, pause: 0 }), log)
  assert.equal(await ask(sign('k1')), 'ann')
  endpoint.answer = failing
  const { requestCount } = endpoint
  for (let n = 0; n < 120; n++) assert.equal(await ask(sign('k1')), 'ann')
  assert.equal(await ask(sign('k2')), 'away', 'the key may be new or forged, which cannot be known now')
  assert.equal(await ask(sign('k1', 'k2')), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
  assert.equal(endpoint.requestCount, requestCount + 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, /known keys are used meanwhile/)
})

test('a token with a known key does not wait for an endpoint that has failed and now hangs', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, pause: 0, firstPause: 0 }))
  assert.equal(await ask(sign('k1')), 'ann')
  endpoint.answer = failing
  assert.equal(await ask(sign('k1')), 'ann')
  let hangs = false
  endpoint.answer = () => void (hangs = true)
  await until('it is asked again', async () => (await ask(sign('k1'))) === 'ann' && hangs)
  assert.equal(await ask(sign('k1')), 'ann')
})

test('after a rotation, tokens with the new key are taken within seconds, while unknown keys cause few requests', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url)))
  assert.equal(await ask(sign('k1')), 'ann')
  const started = performance.now()
  endpoint.answer = publishing(two)
  const isKnown = async (): Promise<boolean> => {
    await ask(sign('forged', 'k1'))
    return (await ask(sign('k2'))) === 'ann'
  }
  await until('the new key is known', isKnown, { every: 100 })
  const seconds = (performance.now() - started) / 1_000
  assert.ok(endpoint.requestCount <= 2 + seconds / 5, `${endpoint.requestCount} requests in ${seconds} s`)
  assert.equal(await ask(sign('k1')), 'ERR_JWKS_NO_MATCHING_KEY')
})

test('an endpoint that has recovered is asked again, and its keys are used', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, firstPause: 5, longestPause: 20 }))
  endpoint.answer = failing
  assert.equal(await ask(sign('k1')), 'away')
  endpoint.answer = publishing(one, two)
  await until('the keys are there', async () => (await ask(sign('k1'))) === 'ann')
  assert.equal(await ask(sign('k2')), 'ann')
})

test('a key that is no longer published is not used once the keys were fetched again', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, pause: 0 }))
  assert.equal(await ask(sign('k1')), 'ann')
  endpoint.answer = publishing(two)
  assert.equal(await ask(sign('k1')), 'ERR_JWKS_NO_MATCHING_KEY')
  assert.equal(await ask(sign('k2')), 'ann')
})

test('keys that are too old are no longer used, whatever the endpoint does', async (t) => {
  const endpoint = await Endpoint.open(t)
  const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, staleFor: 0, pause: 0 }))
  endpoint.answer = failing
  assert.equal(await ask(sign('k1')), 'away')
  const old = new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, staleFor: 1, pause: 0, firstPause: 0 })
  endpoint.answer = publishing(one)
  await asking(old)(sign('k1'))
  endpoint.answer = failing
  await until('the keys are too old', async () => (await asking(old)(sign('k1'))) === 'away')
})

const big = 'x'.repeat(300 * 1024)
const badAnswers: [what: string, answer: Endpoint['answer']][] = [
  ['404', saying('{}', 404)],
  ['204', saying('', 204)],
  ['something that is not JSON', saying('<html>')],
  ['null', saying('null')],
  ['another object', saying('{"error":"x"}')],
  ['keys that are not a list', saying('{"keys":"x"}')],
  ['keys that are not objects', saying('{"keys":[1]}')],
  ['no keys', publishing()],
  ['101 keys', publishing(...Array.from({ length: 101 }, () => one))],
  ['more than 256 KiB', publishing({ ...one, x5c: [big] })],
  ['deeply nested lists', saying(`{"keys":[${'['.repeat(100_000)}${']'.repeat(100_000)}]}`)],
  ['a connection that breaks off', (response) => void response.destroy()],
  [
    'half an answer',
    (response) => void response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
  ],
]
for (const [what, answer] of badAnswers)
  test(`an endpoint that answers with ${what} counts as away, and its answer does not replace known keys`, async (t) => {
    const endpoint = await Endpoint.open(t)
    endpoint.answer = answer
    assert.equal(await asking(new KeySet(new URL(endpoint.url), NEVER))(sign('k1')), 'away')
    const ask = asking(new KeySet(new URL(endpoint.url), { ...NEVER, freshFor: 0, pause: 0 }))
    endpoint.answer = publishing(one)
    assert.equal(await ask(sign('k1')), 'ann')
    endpoint.answer = answer
    assert.equal(await ask(sign('k1')), 'ann')
  })

test('a request is given up, and its connection closed, if the endpoint sends nothing or never ends', async (t) => {
  const endpoint = await Endpoint.open(t)
  for (const timeout of [1, 60_000]) {
    const closed = new Promise((resolve) => {
      endpoint.answer = (response) => {
        response.once('close', resolve)
        if (timeout > 1) pour(response)
      }
    })
    assert.equal(await asking(new KeySet(new URL(endpoint.url), { ...NEVER, timeout }))(sign('k1')), 'away')
    if (timeout > 1) await closed
  }
})

function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(big));
  if (!response.destroyed) response.once('drain', () => pour(response))
}

test('redirects are not followed, even to the right keys', async (t) => {
  const [endpoint, other] = [await Endpoint.open(t), await Endpoint.open(t)]
  const { log } = logging()
  const errors: unknown[] = []
  const keys = new KeySet(new URL(endpoint.url), NEVER)
  const telling = { ...log, error: (fields: { error?: unknown }) => void errors.push(fields.error) }
  for (const status of [301, 302, 303, 307, 308]) {
    endpoint.answer = saying('', status, { location: other.url })
    assert.equal(await asking(new KeySet(new URL(endpoint.url), NEVER))(sign('k1')), 'away')
  }
  assert.equal(await asking(keys, telling)(sign('k1')), 'away')
  assert.match(String(errors[0]), /answered 308, and redirects are not followed: give the URL that it redirects to/)
  assert.equal(other.requestCount, 0)
})

test('a key that cannot be used is answered with 503 and reported once', async (t) => {
  const endpoint = await Endpoint.open(t)
  endpoint.answer = publishing({ ...one, x: 'AAAA' })
  const { lines, log } = logging()
  const guard = authenticate({ jwks: endpoint.url, issuer: 'me', audience: 'you' })
  const module = defineModule('/ws', {})
  await using server = await startTestServer({ modules: [module], middleware: { handshake: [guard] }, logger: log })
  for (let n = 0; n < 10; n++) await assert.rejects(server.connect(`/ws?token=${await sign('k1')}`), /503/)
  assert.equal(lines.length, 1)
})
