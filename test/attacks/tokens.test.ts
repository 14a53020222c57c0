import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { exportJWK, exportSPKI, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import { authenticate, type AuthenticateOptions, defineModule } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { withShortLife } from '../support/short-life.ts'
import { exchange, upgrade } from './wire.ts'

const SECRET = 'a secret that is as long as it should be'
const key = new TextEncoder().encode(SECRET)
const now = (): number => Math.floor(Date.now() / 1_000)
const keys = await generateKeyPair('RS256', { extractable: true })
const others = await generateKeyPair('RS256', { extractable: true })

async function start(options: AuthenticateOptions): Promise<TestServer> {
  const whoami = defineModule('/ws', { commands: { whoami: { run: ({ uid }) => uid } } })
  return startTestServer({ modules: [whoami], middleware: { handshake: [authenticate(options)] } })
}

/** Returns the status of a handshake with this token, and whether it is admitted. */
async function statusOf({ url }: TestServer, token: string): Promise<number> {
  const answer = await exchange(
    url,
    upgrade('/ws', { Authorization: `Bearer ${token}`, 'Sec-WebSocket-Protocol': 'x' }) + CLOSE,
  )
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
}

/** The client's close frame, so that the server ends the exchange. */
const CLOSE = '\x88\x80\0\0\0\0'

function forge(header: object, payload: object, sign?: (signed: string) => string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part(header)}.${part(payload)}`
  return `${signed}.${sign?.(signed) ?? ''}`
}

const hmac =
  (secret: string | Uint8Array, hash = 'sha256') =>
  (signed: string): string =>
    createHmac(hash, secret).update(signed).digest('base64url')

function sign(payload: JWTPayload, header: Partial<JWTHeaderParameters> = {}, { privateKey } = keys): Promise<string> {
  const claims = { iss: 'me', aud: 'you', sub: 'ann', ...payload }
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(privateKey)
}

interface KeyServer {
  readonly url: string
  requestCount: number
}

/** Publishes one key under the name `k1`. */
async function publish(t: TestContext, { publicKey } = keys): Promise<KeyServer> {
  const body = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] })
  const http = createHttp((_request, response) => {
    published.requestCount++
    response.end(body)
  }).listen(0, '127.0.0.1')
  t.after(() => http.close())
  await once(http, 'listening')
  const published = { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/keys`, requestCount: 0 }
  return published
}

test('an unsigned token is refused, however it spells that', async () => {
  await using server = await start({ secret: SECRET })
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined, 0, ['none'], 'HS256'])
    assert.equal(await statusOf(server, forge({ alg, typ: 'JWT' }, { sub: 'ann' })), 401, String(alg))
  const good = forge({ alg: 'HS256' }, { sub: 'ann' }, hmac(SECRET))
  assert.equal(await statusOf(server, good), 101, 'the forged tokens differ in nothing else')
  assert.equal(await statusOf(server, good.slice(0, good.lastIndexOf('.'))), 401)
  assert.equal(await statusOf(server, forge({ alg: 'HS512' }, { sub: 'ann' }, hmac(SECRET, 'sha512'))), 401)
  assert.equal(await statusOf(server, forge({ alg: 'HS256' }, { sub: 'ann' }, hmac(''))), 401)
  assert.equal(
    await statusOf(server, forge({ alg: 'HS256', crit: ['b64'], b64: false }, { sub: 'ann' }, hmac(SECRET))),
    401,
  )
})

test('key confusion: a public key does not work as a secret', async (t) => {
  const { url } = await publish(t)
  await using server = await start({ jwks: url, issuer: 'me', audience: 'you' })
  assert.equal(await statusOf(server, await sign({})), 101)
  const pem = await exportSPKI(keys.publicKey)
  const jwk = JSON.stringify(await exportJWK(keys.publicKey))
  for (const secret of [pem, pem.trim(), jwk, '']) {
    const forged = forge({ alg: 'HS256', kid: 'k1' }, { iss: 'me', aud: 'you', sub: 'ann' }, hmac(secret))
    assert.equal(await statusOf(server, forged), 401)
  }
})

test('a token can neither say where its key is nor bring one along', async (t) => {
  const { url } = await publish(t)
  const hostile = await publish(t, others)
  await using server = await start({ jwks: url, issuer: 'me', audience: 'you' })
  const jwk = await exportJWK(others.publicKey)
  const headers = [
    { jku: hostile.url },
    { x5u: hostile.url },
    { jwk },
    { x5c: ['AAAA'] },
    { jku: hostile.url, kid: 'k2' },
    { kid: hostile.url },
    { kid: '../../etc/passwd' },
  ] as Partial<JWTHeaderParameters>[]
  for (const header of headers)
    assert.equal(await statusOf(server, await sign({}, header, others)), 401, JSON.stringify(header))
  assert.equal(hostile.requestCount, 0)
})

test('two issuers may use the same kid for different keys', async (t) => {
  const [one, two] = [await publish(t), await publish(t, others)]
  await using ours = await start({ jwks: one.url, issuer: 'me', audience: 'you' })
  await using theirs = await start({ jwks: two.url, issuer: 'them', audience: 'you' })
  const [mine, theirOwn] = [await sign({}), await sign({ iss: 'them' }, {}, others)]
  assert.deepEqual([await statusOf(ours, mine), await statusOf(theirs, theirOwn)], [101, 101])
  assert.deepEqual([await statusOf(ours, theirOwn), await statusOf(theirs, mine)], [401, 401])
  assert.equal(await statusOf(ours, await sign({}, {}, others)), 401, 'the right claims, the wrong key of that name')
  assert.equal(await statusOf(theirs, await sign({ iss: 'them' })), 401)
})

test('unknown kids do not make the server fetch keys again and again', async (t) => {
  const published = await publish(t)
  await using server = await start({ jwks: published.url, issuer: 'me', audience: 'you' })
  const forged = await Promise.all(Array.from({ length: 50 }, (_, n) => sign({}, { kid: `k${n + 2}` }, others)))
  const started = performance.now()
  for (const token of forged) assert.equal(await statusOf(server, token), 401)
  const seconds = (performance.now() - started) / 1_000
  assert.ok(published.requestCount <= 2 + seconds / 5, `${published.requestCount} fetches in ${seconds} s`)
})

test('claims: issuer, audience, expiry and not-before are checked, to the second and without tolerance', async (t) => {
  const { url } = await publish(t)
  await using server = await start({ jwks: url, issuer: 'me', audience: 'you', clockTolerance: 0 })
  const refused: JWTPayload[] = [
    { iss: 'other' },
    { iss: 'ME' },
    { aud: 'other' },
    { aud: [] },
    { aud: ['other', 'youu'] },
    { exp: now() },
    { exp: now() - 1 },
    { exp: String(now() + 3_600) as never },
    { nbf: now() + 3_600 },
    { nbf: 'soon' as never },
    { sub: undefined },
  ]
  for (const claims of refused) assert.equal(await statusOf(server, await sign(claims)), 401, JSON.stringify(claims))
  const taken: JWTPayload[] = [{}, { aud: ['other', 'you'] }, { exp: now() + 3_600 }, { nbf: now() }]
  for (const claims of taken) assert.equal(await statusOf(server, await sign(claims)), 101, JSON.stringify(claims))
})

test('a connection closes with 4401 when its token expires', async () => {
  await using server = await start({ secret: SECRET, clockTolerance: 0 })
  let token = ''
  const client = await withShortLife(async (seconds) => {
    const claims = { sub: 'ann', exp: now() + seconds }
    token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key)
    return server.connect(`/ws?token=${token}`)
  })
  assert.equal((await client.closed).code, 4401)
  await assert.rejects(server.connect(`/ws?token=${token}`), /401/)
})

test('huge and odd tokens are refused', async () => {
  await using server = await start({ secret: SECRET })
  const odd = [
    '.',
    '..',
    '...',
    'a.b.c',
    '.'.repeat(10_000),
    'x'.repeat(15_000),
    `${'e30'.repeat(4_000)}.e30.AA`,
    '%00',
  ]
  for (const token of odd) assert.equal(await statusOf(server, token), 401, token.slice(0, 20))
  assert.equal(await statusOf(server, 'x'.repeat(20_000)), 431)
})

test('a token that is sent as a subprotocol never appears in the answer', async () => {
  await using server = await start({ secret: SECRET })
  const token = forge({ alg: 'HS256' }, { sub: 'ann' }, hmac(SECRET))
  for (const offer of [`flotilla, token.${token}`, `token.${token}`, `token.${token}x, flotilla`]) {
    const answer = await exchange(server.url, upgrade('/ws', { 'Sec-WebSocket-Protocol': offer }) + CLOSE)
    assert.ok(!answer.includes(token.slice(0, 20)))
  }
})

test('a secret that can be guessed causes one warning for each authenticate', async () => {
  const warnings: string[] = []
  const listen = (warning: Error & { code?: string }): void => void warnings.push(`${warning.code} ${warning.message}`)
  process.on('warning', listen)
  authenticate({ secret: 'x'.repeat(31) })
  authenticate({ secret: 'x'.repeat(32) })
  await new Promise(setImmediate)
  process.off('warning', listen)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /^FLT_WEAK_SECRET authenticate: the secret has 31 bytes/)
})
