import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { parseExcept, parsePushId, parsePushKey, parseTarget } from '../../src/envelope/target.ts'
import { isFlotillaError } from '../../src/errors.ts'
import { JsonSource } from '../../src/lib/json-source.ts'
import { parsePushBody } from '../../src/push/push-body.ts'
import { json, type ParsedMessage, type Parser, raw, token } from '../../src/wire/parsers.ts'
import { hostileIds } from '../support/arbitraries.ts'
import { runs } from '../support/fuzz.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 200 })
const anyBytes = fc.uint8Array({ maxLength: 200 })
const anyRaw: fc.Arbitrary<string | Uint8Array> = fc.oneof(anyText, anyBytes)

/** Keys and values that have confused JSON parsers before. */
const anyMessage = fc
  .dictionary(
    fc.constantFrom('cmd', 'data', 'ext', 'id', '__proto__', 'constructor'),
    fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('', 1e308, -0, { ['__proto__']: { admin: true } })),
  )
  .map((fields) => JSON.stringify(fields))
const anyWritten = anyMessage.chain((text) =>
  fc.constantFrom(
    text,
    text.replaceAll('_', '\\u005f'),
    text.replace(/\d+/, '1e999'),
    `${text},`,
    `\uFEFF${text}`,
    text.slice(0, -1),
  ),
)

describe('a message from a client to a module', () => {
  it('in JSON becomes a command with its id, or an error that says what is wrong; nothing reaches a prototype', () => {
    const property = fc.property(fc.oneof(anyRaw, anyWritten), (raw) => {
      const message = decoded(json, raw)
      if (message === undefined) return
      const { command, id, data } = message
      assert.equal(typeof command, 'string')
      assert.ok(id === undefined || typeof id === 'string' || Number.isFinite(id))
      assertNoPrototype(message)
      assertNoPrototype(data)
      const answer = JSON.parse(String(json.encode({ id, cmd: command, data: data ?? null }))) as Record<
        string,
        unknown
      >
      assert.equal(answer['cmd'], JSON.parse(JSON.stringify(command)))
    })
    fc.assert(property, runs(3_000))
  })

  it('as `cmd:data` is split at the first colon', () => {
    const property = fc.property(anyRaw, (raw) => {
      const message = decoded(token, raw)
      if (message === undefined) return assert.equal(typeof raw, 'object', 'every text is a command')
      const { command, data } = message
      assert.ok(!command.includes(':'))
      const text = typeof raw === 'string' ? raw : Buffer.from(raw).toString()
      assert.ok(
        [`${command}:${String(data)}`, command].includes(text.replace(/^\uFEFF/, '')) || text.startsWith('\uFEFF'),
      )
    })
    fc.assert(property, runs(1_000))
  })

  it('in the raw format arrives unchanged', () => {
    fc.assert(
      fc.property(anyRaw, (data) => assert.equal(raw.decode(data).data, data)),
      runs(200),
    )
  })

  it('is answered with what the handler returned, unless that cannot be written', () => {
    const property = fc.property(fc.constantFrom(json, token, raw), fc.anything(anythingAtAll), (parser, data) => {
      try {
        const answer = parser.encode({ cmd: 'x', data })
        assert.ok(typeof answer === 'string' || answer instanceof Uint8Array)
      } catch (error) {
        // If JSON.stringify throws, the responder reports that as a failure of the handler.
        assert.ok(isFlotillaError(error) || error instanceof TypeError, String(error))
      }
    })
    fc.assert(property, runs(1_000))
  })
})

const anythingAtAll = { withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }
const anyId = fc.oneof(fc.string(), fc.constantFrom(...hostileIds), fc.constantFrom('', '\uD800', 'x'.repeat(256)))
const anyField = fc.oneof(anyId, fc.array(anyId, { maxLength: 4 }), fc.anything(anythingAtAll), fc.boolean())
const anyFields = fc.dictionary(
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('uid', 'group', 'connection', 'all', 'except', 'id', 'key') },
    { weight: 4, arbitrary: fc.constantFrom('message', 'binary') },
    { weight: 1, arbitrary: fc.string() },
  ),
  anyField,
  { maxKeys: 4 },
)
const anyArgument = fc.oneof(anyFields, fc.anything(anythingAtAll))

describe('an argument of push', () => {
  it('target becomes ids that can be written, each once, or is refused with FLT_BAD_TARGET', () => {
    const property = fc.property(anyArgument, (value) => {
      const target = refusedWith(['FLT_BAD_TARGET'], () => parseTarget(value))
      if (target === undefined || target.type === 'all') return
      const ids: readonly string[] =
        target.type === 'users' ? target.uids : target.type === 'groups' ? target.groups : target.connections
      assert.equal(new Set(ids).size, ids.length)
      for (const id of ids) assertWritable(id)
    })
    fc.assert(property, runs(3_000))
  })

  it('except, id or key is checked in the same way', () => {
    const property = fc.property(fc.oneof(anyArgument, anyId), (value) => {
      const except = refusedWith(['FLT_BAD_TARGET'], () => parseExcept(value))
      for (const id of [...(except?.uids ?? []), ...(except?.connections ?? [])]) assertWritable(id)
      for (const parse of [parsePushId, parsePushKey]) {
        const id = refusedWith(['FLT_BAD_ID'], () => parse(value))
        if (id !== undefined) assertWritable(id)
      }
    })
    fc.assert(property, runs(2_000))
  })

  it('body has every field in its place, or is refused with FLT_BAD_REQUEST and a message', () => {
    const property = fc.property(fc.oneof(anyFields, fc.jsonValue()), (body) => {
      const source = JsonSource.parse(writtenAnyhow(body) ?? 'null')
      const call = refusedWith(['FLT_BAD_REQUEST'], () => parsePushBody(source))
      if (call === undefined) return
      assert.ok(Object.keys(call.target).every((field) => field in (source.value as object)))
      refusedWith(['FLT_BAD_TARGET'], () => parseTarget(call.target))
    })
    fc.assert(property, runs(2_000))
  })
})

/** `undefined` if JSON cannot express the value. */
function writtenAnyhow(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function decoded(parser: Parser, raw: string | Uint8Array): ParsedMessage | undefined {
  return refusedWith(['FLT_BAD_REQUEST', 'FLT_BAD_JSON'], () => parser.decode(raw))
}

/** `undefined` if the call was refused with one of the codes and a message. */
function refusedWith<Value>(codes: readonly string[], parse: () => Value): Value | undefined {
  try {
    return parse()
  } catch (error) {
    assert.ok(isFlotillaError(error) && codes.includes(error.code), String((error as Error).stack))
    assert.ok(error.message.length > 10)
    return undefined
  }
}

function assertWritable(id: string): void {
  assert.equal(Buffer.from(id).toString(), id, 'it comes back from UTF-8 unchanged')
  const { length } = Buffer.from(id)
  assert.ok(length >= 1 && length <= 255)
}

function assertNoPrototype(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  assert.ok(!Object.hasOwn(value, '__proto__'))
  for (const item of Object.values(value)) assertNoPrototype(item)
}
