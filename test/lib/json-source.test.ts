import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson } from '../../src/lib/canonical-json.ts'
import { JsonSource } from '../../src/lib/json-source.ts'
import { runs } from '../support/fuzz.ts'

const DEEP = 200_000
const deep = '['.repeat(DEEP) + ']'.repeat(DEEP)

const anySpace = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
const anyName = fc.oneof(
  fc.constantFrom('message', 'pushes', 'messag', 'messages', '__proto__', 'constructor', '0', '7', '', '"', '\\'),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
/** A JSON string in which any characters may be written as escapes. */
const anyString = fc.tuple(anyName, fc.infiniteStream(fc.boolean())).map(([text, escapes]) => {
  const units = Array.from({ length: text.length }, (_, index) => text[index]!)
  return `"${units.map((unit) => (escapes.next().value === true ? escaped(unit) : plain(unit))).join('')}"`
})
const anyNumber = fc.oneof(
  fc.constantFrom('0', '-0', '0.0', '1.0', '1e3', '1E+3', '1e999', '1e-999', '1285704473650888702', '0.10', '5e-324'),
  fc.tuple(fc.maxSafeInteger(), fc.nat({ max: 30 })).map(([value, exponent]) => `${value}e-${exponent}`),
  fc.bigInt().map(String),
)

const { json: anyJson } = fc.letrec<{ json: string }>((tie) => {
  const item = fc.tuple(anySpace, tie('json'), anySpace).map((parts) => parts.join(''))
  const member = fc.tuple(anySpace, anyString, anySpace, item).map(([a, name, b, value]) => `${a}${name}${b}:${value}`)
  const spaced = (open: string, close: string) => (items: readonly string[]) =>
    `${open}${items.join(',') || ' '}${close}`
  return {
    json: fc.oneof(
      { depthSize: 'small' },
      anyNumber,
      anyString,
      fc.constantFrom('true', 'false', 'null'),
      fc.array(item, { maxLength: 4 }).map(spaced('[', ']')),
      fc.array(member, { maxLength: 5 }).map(spaced('{', '}')),
    ),
  }
})
const anyDocument = fc.tuple(anySpace, anyJson, anySpace).map((parts) => parts.join(''))

function plain(unit: string): string {
  return JSON.stringify(unit).slice(1, -1)
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function assertSame(source: JsonSource): void {
  assert.deepEqual(JSON.parse(source.text), source.value)
  assert.equal(source.text, source.text.trim())
}

describe('a part of a JSON text', () => {
  it('is the text of the value that JSON.parse finds there, whatever the spaces, escapes and repeated names', () => {
    const property = fc.property(anyDocument, (text) => assertAllParts(JsonSource.parse(text)))
    fc.assert(property, runs(3_000))
  })

  it('is found by its name, however that is spelled, and the last one counts if there are several', () => {
    const found = (text: string): string => JsonSource.parse(text).member('message').text
    assert.equal(found('{"message":1,"message": 2.0 }'), '2.0')
    assert.equal(found('\n{ "m\\u0065ssage" :\t{"message":3} , "x":{"message":4} }'), '{"message":3}')
    assert.equal(found('{"message":1,"\\u006d\\u0065\\u0073\\u0073\\u0061\\u0067\\u0065":[1 , 2]}'), '[1 , 2]')
    assert.equal(found('{"x":"\\"message\\":5","message":"\\\\"}'), '"\\\\"')
    assert.equal(found('{"messag\\u0065s":1,"message":null,"messages":2}'), 'null')
  })

  it('may be nested 200,000 deep', () => {
    const source = JsonSource.parse(`{"pushes":[{"message":${deep}},{"message":1}]}`)
    const [first, second] = source.member('pushes').items()
    assert.equal(first!.member('message').text, deep)
    assert.equal(second!.member('message').text, '1')
  })
})

function assertAllParts(source: JsonSource): void {
  assertSame(source)
  const { value } = source
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const items = source.items()
    assert.equal(items.length, value.length)
    return items.forEach(assertAllParts)
  }
  for (const name of Object.keys(value)) assertAllParts(source.member(name))
}

describe('JSON in one spelling', () => {
  it('is what JSON.stringify writes, if that writes the value unchanged', () => {
    const property = fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      assert.equal(canonicalJson(text), text)
      assert.equal(canonicalJson(` ${JSON.stringify(value, null, ' \t')}\r\n`), text)
    })
    fc.assert(property, runs(1_000))
  })

  it('has the same value as before, and does not change if it is made canonical again', () => {
    const property = fc.property(anyDocument, (text) => {
      const canonical = canonicalJson(text)
      assert.equal(JSON.stringify(JSON.parse(canonical)), JSON.stringify(JSON.parse(text)))
      assert.equal(canonicalJson(canonical), canonical)
    })
    fc.assert(property, runs(3_000))
  })

  it('writes equal numbers as the same text, and loses no digit', () => {
    const same = ['10', '10.0', '1e1', '1E+1', '100e-1', '0.10e2']
    for (const number of same) assert.equal(canonicalJson(number), '10', number)
    for (const zero of ['0', '-0', '0.0', '-0e9', '0E-999']) assert.equal(canonicalJson(zero), '0', zero)
    const kept = [
      '1285704473650888702',
      '1000000000000000055e-19',
      '1e999',
      '1e-999',
      '4e-324',
      '123456789012345678e-5',
    ]
    for (const number of kept) assert.equal(canonicalJson(number), number)
    assert.equal(canonicalJson('0.1000000000000000055'), '1000000000000000055e-19')
    assert.equal(canonicalJson('9007199254740993.0'), '9007199254740993')
    assert.equal(canonicalJson('1234500000000000000000000'), '1.2345e+24')
  })

  it('may be nested 200,000 deep', () => assert.equal(canonicalJson(deep), deep))
})
