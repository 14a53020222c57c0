import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Logger, silent } from '../../src/logger.ts'
import { allowOrigins, sameOrigin } from '../../src/middleware/allow-origins.ts'
import { settingsSchema } from '../../src/standalone/config/settings.ts'
import { handshake } from '../modules/harness.ts'

type Guard = ReturnType<typeof allowOrigins>

async function statusOf(guard: Guard, headers: Record<string, string>): Promise<number> {
  const response = await guard(handshake(headers), async () => undefined)
  return response instanceof Response ? response.status : 101
}

async function messageOf(guard: Guard, headers: Record<string, string>, log = silent): Promise<string> {
  const response = (await guard(handshake(headers, '/', log), async () => undefined)) as Response
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  assert.equal(error.code, 'FLT_FORBIDDEN')
  return error.message
}

function recorder(): { log: Logger; lines: [fields: object, message?: string][] } {
  const lines: [fields: object, message?: string][] = []
  return { log: { ...silent, warn: (...line) => void lines.push(line) }, lines }
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

test('a refusal names the origin and the option that allows it; if hosts were compared, the host, too', async () => {
  const headers = { origin: 'https://app.example', host: 'upstream:18308' }
  const listed = await messageOf(guard, headers)
  assert.match(listed, /"https:\/\/app\.example".*allowOrigins.*--origins/)
  assert.doesNotMatch(listed, /upstream/)
  assert.match(
    await messageOf(sameOrigin(), headers),
    /"https:\/\/app\.example".*"upstream:18308".*allowOrigins.*--origins.*proxy.*Host/,
  )
})

test('whatever the headers hold, message and log stay short, and hold no control character', async () => {
  for (const hostile of [`https://evil.example/${'x'.repeat(8_000)}`, '\u009B31m\tpwned"\\', '\u00E4'.repeat(8_000)]) {
    const { log, lines } = recorder()
    for (const check of [allowOrigins([]), sameOrigin()]) {
      const message = await messageOf(check, { origin: hostile, host: hostile }, log)
      assert.match(message, /^[\x20-\x7E…]{1,2000}$/)
    }
    assert.equal(lines.length, 2)
    for (const line of lines) assert.match(JSON.stringify(line), /^[\x20-\x7E…]{1,3000}$/)
  }
})

test('the log names the first origin that is refused, and says nothing about the next thousand', async () => {
  const { log, lines } = recorder()
  const check = sameOrigin()
  const headers = { origin: 'https://app.example', host: 'upstream' }
  for (let n = 0; n < 1_000; n++) await messageOf(check, headers, log)
  assert.deepEqual(
    lines.map(([fields]) => fields),
    [{ origin: 'https://app.example', host: 'upstream', leftOut: 0 }],
  )
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

const isSetting = (origins: unknown): boolean => settingsSchema.shape.origins.safeParse(origins).success

for (const origin of [
  'example.com',
  'https://example.com/app',
  'https://*.example.com',
  'https://u:p@example.com',
  'https:example.com',
  'https://',
  'app:.',
  '',
])
  test(`refuses at once to allow ${JSON.stringify(origin)}, in code and in --origins`, () => {
    assert.throws(() => allowOrigins([origin]), { code: 'FLT_BAD_OPTION' })
    assert.equal(isSetting(origin), false)
    assert.equal(isSetting([origin]), false)
  })

for (const [allowed, sent] of [
  ['https://Example.com', 'https://example.com'],
  ['https://example.com/', 'https://example.com'],
  ['https://example.com:443', 'https://example.com'],
  ['http://localhost:80', 'http://localhost'],
  ['https://b\u00FCcher.example', 'https://xn--bcher-kva.example'],
  ['http://[0:0:0:0:0:0:0:1]:3000', 'http://[::1]:3000'],
  ['capacitor://localhost', 'capacitor://localhost'],
  ['ionic://localhost/', 'ionic://localhost'],
  ['tauri://localhost', 'tauri://localhost'],
  ['chrome-extension://ABCDEFghij', 'chrome-extension://abcdefghij'],
  ['safari-web-extension://6F9619FF-8B86', 'safari-web-extension://6F9619FF-8B86'],
  ['app://', 'app://'],
  ['app://.', 'app://.'],
  ['file://', 'file://'],
  ['null', 'null'],
  ['*', 'https://anybody.example'],
] as const)
  test(`${allowed} allows ${sent}, in code and in --origins`, async () => {
    assert.equal(await statusOf(allowOrigins([allowed]), { origin: sent }), 101)
    assert.equal(isSetting(`https://other.example, ${allowed}`), true)
    assert.equal(isSetting([allowed]), true)
    if (allowed !== '*') assert.equal(await statusOf(allowOrigins([allowed]), { origin: `${sent}x` }), 403)
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
  ['app://', '', 403],
  ['file://', '', 403],
  ['file://', 'localhost', 403],
] as const)
  test(`sameOrigin answers ${status} to a page of ${origin} at host '${host}'`, async () => {
    assert.equal(await statusOf(sameOrigin(), { origin, host }), status)
  })

test('sameOrigin passes requests that do not come from a browser', async () => {
  assert.equal(await statusOf(sameOrigin(), { host: 'example.com' }), 101)
})
