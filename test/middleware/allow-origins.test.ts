import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowOrigins, sameOrigin } from '../../src/middleware/allow-origins.ts'
import { handshake } from '../modules/harness.ts'

type Guard = ReturnType<typeof allowOrigins>

async function statusOf(guard: Guard, headers: Record<string, string>): Promise<number> {
  const response = await guard(handshake(headers), async () => undefined)
  return response instanceof Response ? response.status : 101
}

const guard = allowOrigins([
  'https://Example.com',
  'http://localhost:3000/',
  'https://a.example:443',
  'capacitor://localhost',
])

for (const origin of [
  'https://example.com',
  'HTTPS://EXAMPLE.COM',
  'https://example.com:443',
  'http://localhost:3000',
  'https://a.example',
  'capacitor://localhost',
])
  test(`lets in ${origin}`, async () => {
    assert.equal(await statusOf(guard, { origin }), 101)
  })

for (const origin of [
  'http://example.com',
  'https://example.com:8443',
  'https://example.com.evil.com',
  'https://evil-example.com',
  'https://sub.example.com',
  'https://example.com@evil.com',
  'https://example.com/path',
  'http://localhost',
  'capacitor://other',
  'null',
  '',
  'https://example.com, https://evil.com',
])
  test(`refuses ${JSON.stringify(origin)}`, async () => {
    assert.equal(await statusOf(guard, { origin }), 403)
  })

test('refuses with a JSON body', async () => {
  const response = (await guard(handshake({ origin: 'https://evil.com' }), async () => undefined)) as Response
  const { error } = (await response.json()) as { error: { code: string } }
  assert.equal(error.code, 'FLT_FORBIDDEN')
})

test('a request without an Origin passes, because it does not come from a browser', async () => {
  assert.equal(await statusOf(guard, {}), 101)
  assert.equal(await statusOf(allowOrigins([]), {}), 101)
  assert.equal(await statusOf(allowOrigins([]), { origin: 'https://example.com' }), 403)
})

test('* lets in everyone, opaque origins included', async () => {
  for (const any of [allowOrigins('*'), allowOrigins(['https://example.com', '*'])]) {
    assert.equal(await statusOf(any, { origin: 'https://evil.com' }), 101)
    assert.equal(await statusOf(any, { origin: 'null' }), 101)
  }
})

test('an opaque origin passes only if it is listed', async () => {
  assert.equal(await statusOf(allowOrigins(['null']), { origin: 'null' }), 101)
})

for (const origin of ['example.com', 'https://example.com/app', 'https://*.example.com', 'https://u:p@example.com', ''])
  test(`refuses at once to allow ${JSON.stringify(origin)}`, () => {
    assert.throws(() => allowOrigins([origin]), { code: 'FLT_BAD_OPTION' })
  })

test('refuses at once anything that is not a list', () => {
  assert.throws(() => allowOrigins('https://example.com' as '*'), { code: 'FLT_BAD_OPTION', message: /give a list/ })
})

for (const [origin, host, status] of [
  ['http://example.com:8080', 'example.com:8080', 101],
  ['https://example.com', 'example.com', 101],
  ['https://example.com', 'EXAMPLE.com:443', 101],
  ['http://example.com', 'example.com:80', 101],
  ['http://example.com', 'example.com:443', 403],
  ['https://evil.com', 'example.com', 403],
  ['https://example.com:8443', 'example.com', 403],
  ['null', 'null', 403],
  ['https://evil.com', 'evil.com/../example.com', 403],
  ['https://example.com', '', 403],
] as const)
  test(`sameOrigin answers ${status} to a page of ${origin} at host '${host}'`, async () => {
    assert.equal(await statusOf(sameOrigin(), { origin, host }), status)
  })

test('sameOrigin passes requests that do not come from a browser', async () => {
  assert.equal(await statusOf(sameOrigin(), { host: 'example.com' }), 101)
})
