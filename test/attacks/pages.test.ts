import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowOrigins, defineModule, sameOrigin } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'
import { SECRET, tokenFor } from '../standalone/api-call.ts'
import { startFlotilla } from '../standalone/flotilla.ts'
import { refusal } from '../standalone/refusal.ts'
import { connect } from '../support/connect.ts'
import { exchange, head, upgrade } from './wire.ts'

/** A module that identifies its users by a cookie, which a browser sends along whichever page connects. */
const byCookie = defineModule('/ws', {
  handshake: (ctx) => void (ctx.uid = /user=(\w+)/.exec(ctx.request.headers.get('cookie') ?? '')?.[1] ?? 'nobody'),
})
const cookie = 'user=ann'

for (const [name, guard] of [
  ['allowOrigins', allowOrigins(['https://app.example'])],
  ['sameOrigin', sameOrigin()],
] as const)
  test(`${name}: a page of another site cannot connect with the visitor's cookies`, async () => {
    await using server = await startTestServer({ modules: [byCookie], middleware: { handshake: [guard] } })
    const origins = ['https://evil.example', 'https://app.example.evil.example', 'null', '', 'https://app.example:8443']
    for (const origin of origins)
      assert.match(
        await exchange(server.url, upgrade('/ws', { Host: 'app.example', Origin: origin, Cookie: cookie })),
        /^HTTP\/1\.1 403 [\s\S]*FLT_FORBIDDEN/,
        origin,
      )
    assert.equal(server.server.stats().connectionCount, 0)
    const own = await server.connect('/ws', { headers: { host: 'app.example', origin: 'https://app.example', cookie } })
    assert.equal(own.socket.readyState, own.socket.OPEN)
  })

test('two Origin headers do not get around the check', async () => {
  const guard = allowOrigins(['https://app.example'])
  await using server = await startTestServer({ modules: [byCookie], middleware: { handshake: [guard] } })
  const Origin = ['https://app.example', 'https://evil.example']
  for (const list of [Origin, Origin.toReversed()])
    assert.match(await exchange(server.url, upgrade('/ws', { Origin: list, Cookie: cookie })), /^HTTP\/1\.1 403 /)
})

test('by default, the standalone server admits only pages of its own host', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', `--token-secret=${SECRET}`])
  const token = await tokenFor('ann')
  for (const origin of ['https://evil.example', 'null', url.replace(/\d+$/, '1')])
    assert.equal((await refusal(`${url}/ws?token=${token}`, { origin })).status, 403, origin)
  const own = await connect(url, { token, origin: url })
  await own.vanish()
})

test('no page may use the HTTP API: there are no CORS headers, and browsers do not send a key by themselves', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', `--token-secret=${SECRET}`, '--api-key=k'])
  const headers = { Host: new URL(url).host, Origin: 'https://evil.example', Connection: 'close' }
  const preflight = { ...headers, 'Access-Control-Request-Method': 'POST' }
  for (const answer of [
    await exchange(url, head('OPTIONS /api/push', preflight)),
    await exchange(url, head('POST /api/push', { ...headers, Cookie: 'key=k', 'Content-Length': '0' })),
  ]) {
    assert.match(answer, /^HTTP\/1\.1 401 /)
    assert.doesNotMatch(answer, /access-control-/i)
  }
})
