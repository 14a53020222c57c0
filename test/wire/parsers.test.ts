import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FlotillaError } from '../../src/errors.ts'
import { json, raw, token, type Parser } from '../../src/wire/parsers.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('json reads cmd, data, ext and id, from a text frame and from a binary frame', () => {
  const text = '{"cmd":"room.say","data":{"text":"hi"},"ext":[1],"id":7}'
  const message = { command: 'room.say', data: { text: 'hi' }, ext: [1], id: 7 }
  assert.deepEqual(json.decode(text), message)
  assert.deepEqual(json.decode(bytes(text)), message)
})

for (const [text, code] of [
  ['', 'FLT_BAD_JSON'],
  ['{"cmd":', 'FLT_BAD_JSON'],
  ['hello', 'FLT_BAD_JSON'],
  ['null', 'FLT_BAD_REQUEST'],
  ['[]', 'FLT_BAD_REQUEST'],
  ['"cmd"', 'FLT_BAD_REQUEST'],
  ['{}', 'FLT_BAD_REQUEST'],
  ['{"cmd":7}', 'FLT_BAD_REQUEST'],
  ['{"cmd":"x","id":null}', 'FLT_BAD_REQUEST'],
  ['{"cmd":"x","id":{}}', 'FLT_BAD_REQUEST'],
  ['{"cmd":"x","id":1e999}', 'FLT_BAD_REQUEST'],
] as const)
  test(`json refuses ${JSON.stringify(text)} with ${code}`, () => {
    assert.throws(() => json.decode(text), { code })
  })

test('the error for a request with a wrong cmd carries the id of the request', () => {
  assert.throws(() => json.decode('{"id":"r1","cmd":null}'), { code: 'FLT_BAD_REQUEST', id: 'r1' })
})

test('json refuses binary frames that are not UTF-8', () => {
  assert.throws(() => json.decode(Uint8Array.of(0xff, 0xfe)), { code: 'FLT_BAD_REQUEST' })
})

for (const key of ['__proto__', '\\u005f_proto__', '_\\u005Fproto\\u005f_'])
  test(`json drops the key "${key}", so that copying data changes no prototype`, () => {
    const { data } = json.decode(`{"cmd":"x","data":{"${key}":{"admin":true},"a":[{"${key}":1}],"__b":2}}`)
    const copy = Object.assign({}, data) as Record<string, unknown>
    assert.equal(copy['admin'], undefined)
    assert.deepEqual(data, { a: [{}], __b: 2 })
  })

test('json answers with id, cmd and data or error, without an id if the request had none', () => {
  assert.equal(json.encode({ id: 7, cmd: 'a', data: { ok: true } }), '{"id":7,"cmd":"a","data":{"ok":true}}')
  assert.equal(json.encode({ id: undefined, cmd: 'a', data: null }), '{"cmd":"a","data":null}')
  const error = { code: 'FLT_X', message: 'm' }
  assert.equal(json.encode({ id: 'i', cmd: 'a', error }), '{"id":"i","cmd":"a","error":{"code":"FLT_X","message":"m"}}')
})

for (const [name, parser] of Object.entries({ json, token }))
  test(`${name} sends bytes as they are, but not in answer to a request with an id`, () => {
    assert.deepEqual(parser.encode({ cmd: 'a', data: Uint8Array.of(1) }), Uint8Array.of(1))
    assert.throws(() => parser.encode({ id: 1, cmd: 'a', data: Uint8Array.of(1) }), { code: 'FLT_HANDLER_FAILED' })
  })

for (const [name, parser] of Object.entries({ json, token, raw }))
  test(`${name} refuses an answer that cannot be written as JSON`, () => {
    assert.throws(() => parser.encode({ cmd: 'a', data: () => 1 }), { code: 'FLT_HANDLER_FAILED' })
    assert.throws(() => parser.encode({ cmd: 'a', data: 1n }))
  })

test('token splits a message at the first colon', () => {
  assert.deepEqual(token.decode('say:a:b'), { command: 'say', data: 'a:b' })
  assert.deepEqual(token.decode(bytes('say:')), { command: 'say', data: '' })
  assert.deepEqual(token.decode('quit'), { command: 'quit', data: '' })
})

test('token answers with cmd:text, or with error:CODE:message', () => {
  assert.equal(token.encode({ cmd: 'say', data: 'a:b' }), 'say:a:b')
  assert.equal(token.encode({ cmd: 'say', data: { ok: 1 } }), 'say:{"ok":1}')
  assert.equal(token.encode({ cmd: 'say', error: { code: 'FLT_X', message: 'm: n' } }), 'error:FLT_X:m: n')
})

test('raw passes everything on unchanged, and sends no errors', () => {
  const message = Uint8Array.of(1, 2)
  assert.equal(raw.decode(message).data, message)
  assert.equal(raw.encode({ cmd: '', data: 'text' }), 'text')
  assert.equal(raw.encode({ cmd: '', data: message }), message)
  assert.equal(raw.encode({ cmd: '', data: { a: 1 } }), '{"a":1}')
  assert.equal(raw.encode({ cmd: '', error: { code: 'FLT_X', message: 'm' } }), undefined)
})

const garbage = fc.oneof(
  fc.string(),
  fc.json(),
  fc.uint8Array(),
  fc.string().map((text) => `{"cmd":${text}`),
)

for (const [name, parser] of Object.entries<Parser>({ json, token, raw }))
  test(`${name} throws nothing but a FlotillaError, whatever message arrives`, () => {
    const property = fc.property(garbage, (message) => {
      try {
        assert.equal(typeof parser.decode(message).command, 'string')
      } catch (error) {
        assert.ok(error instanceof FlotillaError)
      }
    })
    fc.assert(property)
  })

test('json reads a message back as it was written', () => {
  const data = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__'))
  const id = fc.oneof(fc.string(), fc.integer())
  fc.assert(
    fc.property(fc.string(), data, id, (cmd, value, requestId) => {
      const expected = JSON.parse(JSON.stringify({ command: cmd, data: value, ext: value, id: requestId }))
      assert.deepEqual(json.decode(JSON.stringify({ cmd, data: value, ext: value, id: requestId })), expected)
    }),
  )
})

test('token reads back what it writes, even if that holds colons', () => {
  const cmd = fc.string().filter((text) => !text.includes(':'))
  fc.assert(
    fc.property(cmd, fc.string(), (command, data) => {
      assert.deepEqual(token.decode(token.encode({ cmd: command, data }) as string), { command, data })
    }),
  )
})
