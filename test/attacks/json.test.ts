import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { jsonCodec } from '../../src/envelope/json-codec.ts'
import { defineModule } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'
import { API_KEY, caller, errorOf } from '../standalone/api-call.ts'
import { flotilla, startFlotilla, temporaryFolder } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'

const DEEP = 200_000
const deep = '['.repeat(DEEP) + ']'.repeat(DEEP)
const isClean = (): boolean => !('polluted' in {}) && !('polluted' in [])
const POLLUTION = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"\\u005f_proto__":{"polluted":1}}',
]

test('commands: prototypes stay clean, and so do objects that a handler copies', async () => {
  const merged: object[] = []
  const merge = defineModule('/merge', {
    commands: {
      merge: {
        run({ data }) {
          const target = {} as Record<string, unknown>
          for (const [name, value] of Object.entries(data as object)) target[name] = value
          merged.push(target)
        },
      },
    },
  })
  await using server = await startTestServer({ modules: [merge] })
  const client = await server.connect('/merge')
  for (const data of POLLUTION) client.send(`{"cmd":"merge","data":${data},"id":1}`)
  for (const _ of POLLUTION) await client.next()
  assert.ok(isClean())
  for (const target of merged) assert.ok(!('polluted' in target) && Object.getPrototypeOf(target) === Object.prototype)
})

test('commands: names of properties that every object has are not commands', async () => {
  await using server = await startTestServer({ modules: [defineModule('/none', { commands: {} })] })
  const client = await server.connect('/none')
  for (const cmd of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']) {
    client.send(JSON.stringify({ cmd, id: 1 }))
    const { error } = (await client.nextJson()) as { error: { code: string } }
    assert.equal(error.code, 'FLT_UNKNOWN_COMMAND', cmd)
  }
})

test('commands: deep nesting, huge numbers, lone surrogates and repeated keys harm nobody', async () => {
  const seen: unknown[] = []
  const echo = defineModule('/echo', { commands: { echo: { run: ({ data }) => (seen.push(data), data) } } })
  await using server = await startTestServer({ modules: [echo] })
  const client = await server.connect('/echo')
  const answers: [data: string, code: string | undefined][] = [
    [deep, 'FLT_HANDLER_FAILED'],
    [`{"__proto__":${deep}}`, undefined],
    ['1e999', undefined],
    ['123456789012345678901234567890', undefined],
    ['"\\ud800"', undefined],
    ['{"a":1,"a":2}', undefined],
  ]
  for (const [data, expected] of answers) {
    client.send(`{"cmd":"echo","data":${data},"id":1}`)
    const { error } = (await client.nextJson()) as { error?: { code: string } }
    assert.equal(error?.code, expected, data.slice(0, 30))
  }
  assert.deepEqual(seen.at(-1), { a: 2 }, 'of a doubled key the last one counts, everywhere')
  for (const id of ['1e999', '{}', '[]', 'true', 'null']) {
    client.send(`{"cmd":"echo","id":${id}}`)
    const { error } = (await client.nextJson()) as { error: { code: string } }
    assert.equal(error.code, 'FLT_BAD_REQUEST', id)
  }
  client.send('{"cmd":"echo","data":"still here","id":1}')
  assert.deepEqual(await client.nextJson(), { id: 1, cmd: 'echo', data: 'still here' })
})

test('the HTTP API: the same input harms nobody, and is answered in JSON', async (t) => {
  const { url } = await startFlotilla(t, ['--port=0', '--log-level=silent', '--dev', `--api-key=${API_KEY}`])
  const call = caller(url)
  const client = await connect(url, { uid: 'ann' })
  t.after(() => client.vanish())
  const answers: [body: string, status: number][] = [
    ['{"all":true,"message":"x","__proto__":{"polluted":1}}', 400],
    ['{"all":true,"message":"x","constructor":1}', 400],
    ['{"__proto__":{"all":true},"message":"x"}', 400],
    [deep, 400],
    ['{"uid":"\\ud800","message":"x"}', 400],
    ['{"uid":1e999,"message":"x"}', 400],
    ['{"uid":["ann","ann","ann"],"message":"once"}', 200],
    ['{"uid":"nobody","uid":"ann","message":"the last key counts"}', 200],
    ['{"uid":"ann","message":{"__proto__":{"polluted":1},"n":1e999}}', 200],
    ['{"uid":"ann","message":"\\ud800"}', 200],
    [`{"uid":"ann","message":${deep}}`, 200],
  ]
  for (const [body, status] of answers) {
    const answer = await call('POST', '/api/push', body)
    assert.equal(answer.status, status, body.slice(0, 60))
    if (status !== 200) assert.match(errorOf(answer).code, /^FLT_BAD_/)
  }
  assert.equal(await client.next(), 'once')
  assert.equal(await client.next(), 'the last key counts')
  assert.equal(
    await client.next(),
    '{"__proto__":{"polluted":1},"n":1e999}',
    'the message is not parsed, and goes out as it came',
  )
  assert.equal(await client.next(), '\ufffd', 'a text frame is UTF-8, which has no half a pair')
  assert.equal(await client.next(), deep)
  assert.equal((await call('POST', '/api/push/batch', `{"pushes":[${deep}],"__proto__":1}`)).status, 400)
  assert.equal((await call('GET', '/healthz')).status, 200)
})

test('the JSON codec: an entry that somebody else wrote is a valid envelope or is refused', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const strange = [
    ...POLLUTION,
    deep,
    '[]',
    'null',
    '1',
    '"x"',
    '{"type":"__proto__"}',
    '{"type":"push","__proto__":{"id":"x"}}',
  ]
  for (const text of strange) assert.throws(() => jsonCodec.decode(bytes(text)), text.slice(0, 40))
  assert.ok(isClean())
})

test('a config file cannot reach a prototype', async (t) => {
  const folder = await temporaryFolder(t)
  const config = join(folder, 'c.json')
  for (const name of ['__proto__', 'constructor']) {
    await writeFile(config, `{"${name}":{"dev":true},"dev":true}`)
    const { code, stderr } = await flotilla(['start', '--config', config])
    assert.equal(code, 2)
    assert.match(stderr, new RegExp(`"${name}" in .* is not a setting`))
  }
})
