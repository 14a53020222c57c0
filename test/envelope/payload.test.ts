import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { encodePayload, ReadyJson } from '../../src/envelope/payload.ts'

const textOf = (message: unknown): string => Buffer.from(encodePayload(message).data).toString()

describe('a payload', () => {
  it('of a string is that text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.equal(textOf(text), text)))
    assert.equal(encodePayload('hello').kind, 'text')
  })

  it('of bytes is those bytes', () => {
    const bytes = Uint8Array.of(0, 1, 255)
    assert.deepEqual(encodePayload(bytes), { kind: 'bytes', data: bytes })
    assert.equal(encodePayload(Buffer.from('x')).kind, 'bytes')
  })

  it('of anything else that JSON can hold is its JSON', () => {
    fc.assert(
      fc.property(
        fc.jsonValue().filter((value) => typeof value !== 'string'),
        (value) => {
          assert.equal(textOf(value), JSON.stringify(value))
          assert.equal(encodePayload(value).kind, 'json')
        },
      ),
    )
    assert.equal(textOf(null), 'null')
    assert.equal(textOf(new Date(0)), '"1970-01-01T00:00:00.000Z"')
  })

  it('of ready JSON is its bytes', () => {
    const text = '{ "id": 1285704473650888702, "2": 1.0, "1": "ж" }'
    assert.equal(textOf(new ReadyJson(text)), text)
    assert.equal(encodePayload(new ReadyJson(text)).kind, 'json')
  })

  it('of a value that JSON cannot express is refused with FLT_BAD_MESSAGE', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    for (const message of [undefined, () => {}, Symbol('x'), 1n, cycle]) {
      assert.throws(() => encodePayload(message), { name: 'FlotillaError', code: 'FLT_BAD_MESSAGE' })
    }
  })
})
