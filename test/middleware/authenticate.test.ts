import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { authenticate, type AuthenticateOptions } from '../../src/middleware/authenticate.ts'
import { loadConfig } from '../../src/standalone/config/config.ts'
import { handshake } from '../modules/harness.ts'
import { until } from '../support/until.ts'

const secret = 'test-secret'
const key = new TextEncoder().encode(secret)
const bySecret = authenticate({ secret })
const now = (): number => Math.floor(Date.now() / 1000)

function sign(payload: JWTPayload, alg = 'HS256'): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(key)
}

type Answer = { readonly status: number; readonly code: string; readonly message: string; readonly headers: Headers }

/** Returns what a middleware answers, or undefined if it lets the handshake pass. */
async function answerOf(middleware: typeof bySecret, ctx: ReturnType<typeof handshake>): Promise<Answer | undefined> {
  const response = await middleware(ctx, async () => undefined)
  if (!(response instanceof Response)) return undefined
  assert.equal(response.headers.get('content-type'), 'application/json')
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  return { status: response.status, headers: response.headers, ...error }
}

const bearer = (token: string) => handshake({ authorization: `Bearer ${token}` })

test('takes the uid from sub and the end of the connection from exp', async () => {
  const exp = now() + 60
  const ctx = bearer(await sign({ sub: 'u1', exp }))
  assert.equal(await answerOf(bySecret, ctx), undefined)
  assert.equal(ctx.uid, 'u1')
  assert.equal(ctx.expiresAt, exp * 1000 + 5_000)
  assert.equal(ctx.protocol, undefined)
})

test('clocks may differ by 5 s, or as far as clockTolerance says, and a connection lives as long as its token counts', async () => {
  const tokens = { late: await sign({ sub: 'u1', exp: now() - 3 }), early: await sign({ sub: 'u1', nbf: now() + 4 }) }
  for (const token of Object.values(tokens)) assert.equal(await answerOf(bySecret, bearer(token)), undefined)
  const exact = authenticate({ secret, clockTolerance: 0 })
  assert.match((await answerOf(exact, bearer(tokens.late)))!.message, /has expired/)
  assert.match((await answerOf(exact, bearer(await sign({ sub: 'u1', nbf: now() + 60 }))))!.message, /claim nbf/)
  const loose = authenticate({ secret, clockTolerance: 90_000 })
  const exp = now() - 60
  const ctx = bearer(await sign({ sub: 'u1', exp, nbf: now() + 60 }))
  assert.equal(await answerOf(loose, ctx), undefined)
  assert.equal(ctx.expiresAt, exp * 1000 + 90_000)
})

test('a tolerance that is not a time of up to ten minutes is an error', () => {
  for (const clockTolerance of [-1, 0.5, 600_001, Number.NaN, Infinity, '5s', null])
    assert.throws(() => authenticate({ secret, clockTolerance: clockTolerance as number }), {
      code: 'FLT_BAD_OPTION',
      message: /^authenticate: clockTolerance must be a whole number of milliseconds from 0 to 600000, not /,
    })
  authenticate({ secret, clockTolerance: 600_000 })
})

test('a token without exp never expires', async () => {
  const ctx = bearer(await sign({ sub: 'u1' }))
  assert.equal(await answerOf(bySecret, ctx), undefined)
  assert.equal(ctx.expiresAt, undefined)
})

test('takes the secret as bytes too', async () => {
  const ctx = bearer(await sign({ sub: 'u1' }))
  assert.equal(await answerOf(authenticate({ secret: key }), ctx), undefined)
})

test('reads the token from the header, then from the query, then from the subprotocols', async () => {
  const [header, query, protocol] = await Promise.all(['header', 'query', 'protocol'].map((sub) => sign({ sub })))
  const protocols = { 'sec-websocket-protocol': `flotilla, token.${protocol}` }
  const all = handshake({ authorization: `bearer ${header}`, ...protocols }, `/?token=${query}`)
  const two = handshake({ authorization: 'Basic dTpw', ...protocols }, `/?token=${query}`)
  const one = handshake(protocols)
  for (const ctx of [all, two, one]) assert.equal(await answerOf(bySecret, ctx), undefined)
  assert.deepEqual([all.uid, two.uid, one.uid], ['header', 'query', 'protocol'])
})

test('answers the subprotocol flotilla if it is offered, and never the token', async () => {
  const token = await sign({ sub: 'u1' })
  const offered = handshake({ 'sec-websocket-protocol': `token.${token},flotilla` })
  assert.equal(await answerOf(bySecret, offered), undefined)
  assert.equal(offered.protocol, 'flotilla')
  const bare = handshake({ 'sec-websocket-protocol': `token.${token}` })
  assert.equal(await answerOf(bySecret, bare), undefined)
  assert.equal(bare.protocol, undefined)
})

test('a bad token is refused even if a good one follows', async () => {
  const good = await sign({ sub: 'u1' })
  const ctx = handshake({ authorization: 'Bearer bad' }, `/?token=${good}`)
  assert.equal((await answerOf(bySecret, ctx))?.status, 401)
})

const refusals: [what: string, token: () => Promise<string> | undefined, message: RegExp][] = [
  ['no token', () => undefined, /there is no token/],
  ['an empty token', async () => '', /malformed/],
  ['a token that is not a JWT', async () => 'a.b.c', /malformed/],
  [
    'a token with another signature',
    async () => `${(await sign({ sub: 'u1' })).slice(0, -8)}AAAAAAAA`,
    /signature is wrong/,
  ],
  ['a token that has expired', () => sign({ sub: 'u1', exp: now() - 6 }), /has expired/],
  ['a token that is not valid yet', () => sign({ sub: 'u1', nbf: now() + 60 }), /claim nbf/],
  ['a token without sub', () => sign({}), /no sub/],
  ['a token with an empty sub', () => sign({ sub: '' }), /claim sub .*empty/],
  ['a token with a sub that is too long', () => sign({ sub: 'x'.repeat(256) }), /claim sub .*255 bytes/],
  ['a token with a sub that is not a string', () => sign({ sub: 7 as never }), /claim sub .*number/],
  ['a token signed with another algorithm', () => sign({ sub: 'u1' }, 'HS512'), /algorithm/],
  ['an unsigned token', async () => new UnsecuredJWT({ sub: 'u1' }).encode(), /algorithm|malformed/],
]
for (const [what, make, message] of refusals)
  test(`refuses ${what} with 401`, async () => {
    const token = await make()
    const ctx = token === undefined ? handshake() : bearer(token)
    const answer = await answerOf(bySecret, ctx)
    assert.equal(answer?.status, 401)
    assert.equal(answer.code, 'FLT_UNAUTHORIZED')
    assert.match(answer.message, message)
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
    assert.equal(ctx.uid, undefined)
  })

test('joins the groups that a claim lists', async () => {
  const withGroups = authenticate({ secret, groupsClaim: 'groups' })
  const list = bearer(await sign({ sub: 'u1', groups: ['a', 'b'] }))
  const single = bearer(await sign({ sub: 'u1', groups: 'a' }))
  const none = bearer(await sign({ sub: 'u1' }))
  for (const ctx of [list, single, none]) assert.equal(await answerOf(withGroups, ctx), undefined)
  assert.deepEqual([[...list.groups], [...single.groups], [...none.groups]], [['a', 'b'], ['a'], []])
  const bad = bearer(await sign({ sub: 'u1', groups: ['a', 7] }))
  assert.match((await answerOf(withGroups, bad))!.message, /claim groups/)
  assert.deepEqual([bad.uid, bad.groups.size], [undefined, 0])
})

const flaws: [what: string, options: unknown, message: RegExp][] = [
  ['an empty secret', { secret: '' }, /not empty/],
  ['no secret', { secret: undefined }, /not empty/],
  ['no options', {}, /neither/],
  ['both a secret and keys', { secret, jwks: 'https://x' }, /but got secret and jwks/],
  ['a secret that is an object', { secret: createSecretKey(key) }, /as a string or bytes/],
  ['an invalid URL', { jwks: 'keys', issuer: 'i', audience: 'a' }, /https URL/],
  ['a set of keys instead of its URL', { jwks: { keys: [] }, issuer: 'i', audience: 'a' }, /https URL/],
  ['no audience', { jwks: 'https://x', issuer: 'i' }, /issuer and audience/],
  ['an empty issuer', { secret, issuer: '' }, /issuer/],
  ['an issuer that is not set', { secret, issuer: undefined }, /issuer/],
  ['an audience that is not set', { secret, audience: undefined }, /audience/],
  ['a list of audiences', { secret, audience: [] }, /audience/],
  ['an issuer that is not a string', { jwks: 'https://x', issuer: 7, audience: 'a' }, /issuer/],
  ['a claim without a name', { secret, groupsClaim: '' }, /groupsClaim/],
  ['an unknown option', { secret, issuers: 'i' }, /'issuers' \(did you mean 'issuer'\?\)/],
  ['an option of another library', { secret, algorithms: ['HS512'] }, /'algorithms'/],
  ['a string instead of options', secret, /takes an object with secret, jwks, issuer, audience, groupsClaim/],
]
for (const [what, options, message] of flaws)
  test(`${what} is refused at once`, () => {
    assert.throws(() => authenticate(options as AuthenticateOptions), { code: 'FLT_BAD_OPTION', message })
  })

test('with a secret, too, the issuer and the audience are checked if they are given', async () => {
  const withBoth = authenticate({ secret, issuer: 'me', audience: 'you' })
  const fits: JWTPayload[] = [{ aud: 'you' }, { aud: ['you'] }, { aud: ['other', 'you'] }, { aud: ['you', 7 as never] }]
  for (const claims of fits) {
    const ctx = bearer(await sign({ sub: 'u1', iss: 'me', ...claims }))
    assert.equal(await answerOf(withBoth, ctx), undefined, JSON.stringify(claims))
    assert.equal(ctx.uid, 'u1')
  }
  const issuers = [undefined, '', 'ME', 'me ', ['me']].map((iss) => ({ iss, aud: 'you' }))
  const audiences = [undefined, '', 'You', 'yo', [], ['other'], [['you']], null, { you: true }]
  for (const claims of [...issuers, ...audiences.map((aud) => ({ iss: 'me', aud }))]) {
    const answer = await answerOf(withBoth, bearer(await sign({ sub: 'u1', ...(claims as JWTPayload) })))
    assert.equal(answer?.status, 401, JSON.stringify(claims))
    assert.match(answer.message, /claim (iss|aud) does not fit/)
  }
  const me = bearer(await sign({ sub: 'u1', iss: 'me' }))
  assert.equal(await answerOf(authenticate({ secret, issuer: 'me' }), me), undefined)
  assert.equal((await answerOf(authenticate({ secret, audience: 'you' }), me))?.status, 401)
})

test('a secret given as bytes does not change if the bytes are overwritten later', async () => {
  const bytes = new TextEncoder().encode(secret)
  const middleware = authenticate({ secret: bytes })
  bytes.fill(0)
  assert.equal(await answerOf(middleware, bearer(await sign({ sub: 'u1' }))), undefined)
})

const plainUrls = [
  'http://id.example/keys',
  'http://10.0.0.1/k',
  'http://localhost.example',
  'http://[::2]/',
  'ftp://h/k',
]
const goodUrls = [
  'https://id.example/keys',
  'http://127.0.0.1:1/keys',
  'http://127.1/',
  'http://LOCALHOST:8/',
  'http://[::1]/k',
]

test('keys are fetched over https, or from this machine, by the library and the command alike', async () => {
  const rest = { issuer: 'i', audience: 'a' }
  const start = (jwks: string) => loadConfig({ jwks, tokenIssuer: 'i', tokenAudience: 'a' }, {})
  for (const jwks of plainUrls) {
    assert.throws(
      () => authenticate({ jwks, ...rest }),
      { code: 'FLT_BAD_OPTION', message: /needs an https URL/ },
      jwks,
    )
    await assert.rejects(start(jwks), /^CliError: --jwks takes the https URL of a key set/)
  }
  for (const jwks of ['https://user:hush@id.example/', 'https://hush@id.example']) {
    assert.throws(
      () => authenticate({ jwks, ...rest }),
      (error: Error) => !error.message.includes('hush'),
    )
    await assert.rejects(start(jwks), (error: Error) => !error.message.includes('hush'))
  }
  for (const jwks of goodUrls) {
    authenticate({ jwks, ...rest })
    authenticate({ jwks: new URL(jwks), ...rest })
    await start(jwks)
  }
})

// ---- published keys

let server: Server
let url: string
let broken = false
const keys = await generateKeyPair('ES256', { extractable: true })
const strangers = await generateKeyPair('ES256')

before(async () => {
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' }
  server = createServer((_, response) => {
    response.statusCode = broken ? 500 : 200
    response.end(broken ? 'sorry' : JSON.stringify({ keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
})
after(() => server.close())

const byKeys = () => authenticate({ jwks: url, issuer: 'me', audience: 'you' })

function signed(payload: JWTPayload, kid = 'k1', { privateKey } = keys): Promise<string> {
  const claims = { iss: 'me', aud: 'you', sub: 'u1', ...payload }
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)
}

test('accepts tokens signed with a published key', async () => {
  const ctx = bearer(await signed({}))
  assert.equal(await answerOf(byKeys(), ctx), undefined)
  assert.equal(ctx.uid, 'u1')
})

const keyRefusals: [what: string, token: () => Promise<string>, message: RegExp][] = [
  ['another issuer', () => signed({ iss: 'other' }), /claim iss/],
  ['another audience', () => signed({ aud: 'other' }), /claim aud/],
  ['a key that is not published', () => signed({}, 'k2'), /signed with an unknown key/],
  ["a stranger's key", () => signed({}, 'k1', strangers), /signature/],
  ['a shared secret', () => sign({ sub: 'u1', iss: 'me', aud: 'you' }), /algorithm/],
]
for (const [what, make, message] of keyRefusals)
  test(`refuses tokens of ${what} with 401`, async () => {
    const answer = await answerOf(byKeys(), bearer(await make()))
    assert.equal(answer?.status, 401)
    assert.match(answer.message, message)
  })

test('answers 503 while the keys cannot be fetched, and works again when they can', async () => {
  const middleware = byKeys()
  broken = true
  const away = await answerOf(middleware, bearer(await signed({})))
  assert.equal(away?.status, 503)
  assert.equal(away.code, 'FLT_KEYS_AWAY')
  assert.equal(away.headers.get('retry-after'), '1')
  const isLonger = async (): Promise<boolean> =>
    Number((await answerOf(middleware, bearer(await signed({}))))?.headers.get('retry-after')) > 1
  await until('the pause has grown, and the client is told to wait for longer', isLonger)
  broken = false
  const isIn = async (): Promise<boolean> => (await answerOf(middleware, bearer(await signed({})))) === undefined
  await until('the endpoint is asked again', isIn, { timeout: 60_000 })
  const nowhere = authenticate({ jwks: 'http://127.0.0.1:1/keys', issuer: 'me', audience: 'you' })
  assert.equal((await answerOf(nowhere, bearer(await signed({}))))?.status, 503)
})
