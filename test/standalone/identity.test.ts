import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { connect, type ConnectOptions } from '../support/connect.ts'
import { caller, SECRET, tokenFor } from './api-call.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'
import { refusal } from './refusal.ts'

const quiet = ['--port=0', '--log-level=silent']

interface Who {
  readonly uid: string | null
  readonly groups: string[]
}

async function whoIs(t: TestContext, url: string, options: ConnectOptions): Promise<Who> {
  const client = await connect(url, options)
  t.after(() => client.vanish())
  client.send('{"cmd":"whoami","id":1}')
  const { uid, groups } = (JSON.parse(String(await client.next())) as { data: Who }).data
  return { uid, groups }
}

test('with --dev a client may name any uid', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, '--dev', `--token-secret=${SECRET}`, '--groups-claim=groups'])
  const token = await tokenFor('ann', { groups: ['red'] })
  assert.deepEqual(await whoIs(t, url, { uid: 'bob', groups: ['a', 'b'] }), { uid: 'bob', groups: ['a', 'b'] })
  assert.deepEqual(await whoIs(t, url, { headers: { auth: 'kim' } }), { uid: 'kim', groups: [] })
  assert.deepEqual(await whoIs(t, url, {}), { uid: null, groups: [] })
  assert.deepEqual(await whoIs(t, url, { uid: 'bob', token }), { uid: 'ann', groups: ['red'] }, 'a token says more')
  const bearer = { headers: { authorization: `Bearer ${token}` } }
  assert.deepEqual(await whoIs(t, url, { uid: 'bob', ...bearer }), { uid: 'ann', groups: ['red'] })
  assert.deepEqual(await refusal(`${url}/ws?uid=bob&token=x`), { status: 401, code: 'FLT_UNAUTHORIZED' })
  assert.equal((await refusal(`${url}/ws?uid=${'u'.repeat(256)}`)).status, 400)
})

test('with --dev and no secret a token is ignored', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, '--dev'])
  assert.deepEqual(await whoIs(t, url, { uid: 'bob', token: 'x' }), { uid: 'bob', groups: [] })
})

test('with --dev only this machine is served, by whatever name it is called', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, '--dev'])
  const { port } = new URL(url)
  const call = caller(url)
  const healthOf = async (host: string) => (await call('GET', '/api/stats', undefined, { host })).status
  for (const host of [`localhost:${port}`, '127.0.0.1', '[::1]:80', 'app.localhost'])
    assert.equal(await healthOf(host), 200)
  for (const host of ['evil.example', `127.0.0.1.nip.io:${port}`, '10.0.0.1', 'localhost.evil.example']) {
    assert.equal(await healthOf(host), 403, host)
    assert.equal((await call('GET', '/healthz', undefined, { host })).status, 403, host)
    assert.equal((await refusal(`${url}/ws?uid=a`, { headers: { host } })).status, 403, host)
  }
})

test('with --dev what a proxy or tunnel forwards for somebody elsewhere is refused', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, '--dev'])
  const call = caller(url)
  const elsewhere: Record<string, string>[] = [
    { 'x-forwarded-for': '203.0.113.7' },
    { 'x-forwarded-for': '127.0.0.1, 203.0.113.7:4000' },
    { 'x-real-ip': '2001:db8::1' },
    { forwarded: 'for=127.0.0.1, for="[2001:db8::1]:4711";proto=https' },
  ]
  for (const headers of elsewhere) {
    assert.equal((await call('GET', '/api/stats', undefined, headers)).status, 403, JSON.stringify(headers))
    assert.equal((await refusal(`${url}/ws?uid=a`, { headers })).status, 403, JSON.stringify(headers))
  }
  const here: Record<string, string>[] = [
    { 'x-forwarded-for': '127.0.0.1, ::1' },
    { 'x-forwarded-for': '127.0.0.1:50000', forwarded: 'for="[::1]:80";by=127.0.0.1' },
  ]
  for (const headers of here) assert.equal((await call('GET', '/api/stats', undefined, headers)).status, 200)
})

test('with --dev the API is open to this machine, and not to pages of other sites', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, '--dev'])
  const call = caller(url)
  const push = { all: true, message: 'x' }
  const noKey = { authorization: '' }
  assert.equal((await call('POST', '/api/push', push, noKey)).status, 200)
  assert.equal((await call('POST', '/api/push', push, { ...noKey, origin: url })).status, 200)
  for (const origin of ['https://evil.example', 'null', 'http://localhost:1', url.replace('http:', 'https:')]) {
    const status = origin.startsWith('https://127') ? 200 : 403
    assert.equal((await call('POST', '/api/push', push, { ...noKey, origin })).status, status, origin)
  }
  const asForm = { ...noKey, 'content-type': 'text/plain' }
  assert.equal((await call('POST', '/api/push', push, asForm)).status, 415)
  const { status } = await refusal(`${url}/ws?uid=a`, { origin: 'https://evil.example' })
  assert.equal(status, 403)
})

test('without --dev only a token says who somebody is', async (t) => {
  const flags = [...quiet, `--token-secret=${SECRET}`, '--api-key=k', '--echo']
  const { url } = await startFlotilla(t, flags)
  for (const path of ['/ws?uid=ann', '/ws', '/echo?uid=ann']) {
    assert.deepEqual(await refusal(url + path, { headers: { auth: 'ann' } }), { status: 401, code: 'FLT_UNAUTHORIZED' })
  }
  const client = await connect(url, { token: await tokenFor('ann', { groups: ['red'] }) })
  t.after(() => client.vanish())
  const call = caller(url, 'k')
  assert.deepEqual((await call('GET', '/api/users/ann')).body, {
    uid: 'ann',
    online: true,
    connections: ((await call('GET', '/api/users/ann')).body as { connections: unknown[] }).connections,
  })
  const red = (await call('GET', '/api/groups/red')).body as { memberCount: number }
  assert.equal(red.memberCount, 0, 'without --groups-claim no claim is a group')
  assert.equal((await call('GET', '/')).status, 404, 'the page is for --dev')
})

test('with --token-secret the issuer and the audience are checked, and flotilla token names them', async (t) => {
  const env = { FLOTILLA_TOKEN_SECRET: SECRET, FLOTILLA_TOKEN_ISSUER: 'me' }
  const { url } = await startFlotilla(t, [...quiet, '--token-audience=you'], { env })
  for (const claims of [{}, { iss: 'me' }, { aud: 'you' }, { iss: 'me', aud: 'other' }, { iss: 'other', aud: 'you' }]) {
    const token = await tokenFor('ann', claims)
    assert.deepEqual(await refusal(`${url}/ws?token=${token}`), { status: 401, code: 'FLT_UNAUTHORIZED' })
  }
  const { stdout } = await flotilla(['token', '--uid=ann', '--token-audience=you'], { env })
  await (await connect(url, { token: stdout.trim() })).vanish()
})

test('--clock-tolerance says for how long an expired token still counts', async (t) => {
  const { url } = await startFlotilla(t, [...quiet, `--token-secret=${SECRET}`, '--clock-tolerance=60000'])
  const expired = (seconds: number) =>
    new SignJWT({ sub: 'ann', exp: Math.floor(Date.now() / 1000) - seconds })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET))
  await (await connect(url, { token: await expired(10) })).vanish()
  assert.deepEqual(await refusal(`${url}/ws?token=${await expired(61)}`), { status: 401, code: 'FLT_UNAUTHORIZED' })
})

test('keys of tokens come over https, from a certificate that the machine trusts', async (t) => {
  const folder = await temporaryFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  })
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const body = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] })
  const endpoint = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, answer) => answer.end(body))
  endpoint.listen(0, '127.0.0.1')
  t.after(() => {
    endpoint.close()
    endpoint.closeAllConnections()
  })
  await once(endpoint, 'listening')
  const jwks = `https://localhost:${(endpoint.address() as AddressInfo).port}/`
  const flags = [`--jwks=${jwks}`, '--token-issuer=me', '--token-audience=you', '--port=0', '--log-level=error']
  const signed = new SignJWT({ iss: 'me', aud: 'you', sub: 'ann' }).setProtectedHeader({ alg: 'ES256', kid: 'k1' })
  const token = await signed.sign(privateKey)
  const trusting = await startFlotilla(t, flags, { env: { NODE_EXTRA_CA_CERTS: cert } })
  await (await connect(trusting.url, { token })).vanish()
  const wary = await startFlotilla(t, flags)
  for (let n = 0; n < 3; n++)
    assert.deepEqual(await refusal(`${wary.url}/ws?token=${token}`), { status: 503, code: 'FLT_KEYS_AWAY' })
  wary.child.kill('SIGTERM')
  const { stderr } = await wary.ended
  assert.match(stderr, /the keys of tokens cannot be used: no token can be checked meanwhile/)
  const plain = await flotilla(['start', ...flags, '--jwks=http://localhost.example/keys?key=hush'])
  assert.equal(plain.code, 2)
  assert.match(plain.stderr, /^--jwks takes the https URL of a key set/)
  assert.ok(!plain.stderr.includes('hush'))
})

test('the allowed origins are the same host, or those of --origins', async (t) => {
  const token = await tokenFor('ann')
  const same = await startFlotilla(t, [...quiet, `--token-secret=${SECRET}`])
  const other = 'https://app.example'
  await (await connect(same.url, { token, origin: same.url })).vanish()
  assert.equal((await refusal(`${same.url}/ws?token=${token}`, { origin: other })).status, 403)
  const listed = await startFlotilla(t, [...quiet, `--token-secret=${SECRET}`, `--origins=${other},http://b.example`])
  await (await connect(listed.url, { token, origin: other })).vanish()
  await (await connect(listed.url, { token })).vanish()
  assert.equal((await refusal(`${listed.url}/ws?token=${token}`, { origin: listed.url })).status, 403)
  const any = await startFlotilla(t, [...quiet, `--token-secret=${SECRET}`, '--origins=*'])
  await (await connect(any.url, { token, origin: 'https://anybody.example' })).vanish()
})
