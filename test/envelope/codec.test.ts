import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { Batch, Codec, Envelope } from '../../src/envelope/envelope.ts'
import type { ConnectionId, PushId, Uid } from '../../src/envelope/ids.ts'
import { jsonCodec } from '../../src/envelope/json-codec.ts'
import { encodePayload, type Payload } from '../../src/envelope/payload.ts'
import { TlvReader, TlvWriter } from '../../src/envelope/tlv.ts'
import { isFlotillaError } from '../../src/errors.ts'
import { anyBatch } from '../support/arbitraries.ts'

for (const codec of [binaryCodec, jsonCodec]) {
  describe(`the codec ${codec.name}`, () => {
    it('decodes every batch as it was encoded', () => {
      fc.assert(fc.property(anyBatch, (batch) => assertCarried(codec, batch)))
    })

    it('reads a batch from a view into a larger buffer, as a store returns it', () => {
      const batch = batchOf(pushOf(encodePayload('hello')))
      const bytes = codec.encode(batch)
      const larger = Buffer.alloc(bytes.length + 20, 0xff)
      larger.set(bytes, 7)
      const decoded = codec.decode(larger.subarray(7, 7 + bytes.length))
      assert.deepEqual(textsOf(decoded), ['hello'])
    })

    it('carries payloads from 0 bytes to a MiB', () => {
      for (const size of [0, 1, 127, 128, 16_383, 16_384, 70_000, 1_048_576]) {
        for (const payload of [encodePayload(noise(size)), encodePayload('x'.repeat(size))]) {
          const batch = batchOf(pushOf(payload))
          assertCarried(codec, batch)
        }
      }
    })

    it('carries thousands of users in one envelope', () => {
      const users = Array.from({ length: 5000 }, (_, index) => ({
        uid: `user-${index}` as Uid,
        stamp: 2 ** 53 - 1 - index,
      }))
      const batch = batchOf({ ...pushOf(encodePayload('x')), to: { type: 'users', users } })
      assertCarried(codec, batch)
    })

    it('encoding a batch does not change a batch that was encoded before', () => {
      const first = codec.encode(batchOf(pushOf(encodePayload('first'))))
      const copy = first.slice()
      codec.encode(batchOf(pushOf(encodePayload('second'))))
      assert.deepEqual(first, copy)
    })

    it('refuses a number that it cannot write, rather than loop or change it', () => {
      for (const seq of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        assertBadEnvelope(() => codec.decode(codec.encode({ publisher: 'p', seq, envelopes: [] })))
      }
    })

    it('refuses random bytes with FLT_BAD_ENVELOPE and no other error', () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => assertRefusedOrRead(codec, bytes)))
    })

    it('refuses a mutated batch or reads it as another batch, but never fails in any other way', () => {
      const mutation = fc.record({ at: fc.nat(), value: fc.nat({ max: 255 }) })
      fc.assert(
        fc.property(anyBatch, fc.array(mutation, { minLength: 1, maxLength: 4 }), (batch, mutations) => {
          const bytes = codec.encode(batch).slice()
          for (const { at, value } of mutations) bytes[at % bytes.length] = value
          assertRefusedOrRead(codec, bytes)
        }),
        { numRuns: 500 },
      )
    })

    it('refuses a batch that was cut off, and a batch followed by further bytes', () => {
      const bytes = codec.encode(batchOf(pushOf(encodePayload('one')), pushOf(encodePayload('two'))))
      for (let length = 0; length < bytes.length; length++) {
        assertBadEnvelope(() => codec.decode(bytes.subarray(0, length)))
      }
      for (const more of [[0], [0, 0], [99, 0], [...bytes]]) {
        assertBadEnvelope(() => codec.decode(Uint8Array.from([...bytes, ...more])))
      }
    })

    it('refuses a batch of the other codec', () => {
      const other = codec === binaryCodec ? jsonCodec : binaryCodec
      assertBadEnvelope(() => codec.decode(other.encode(batchOf())))
    })
  })
}

describe('the codec binary, on the wire', () => {
  it('skips fields of later versions, at every level', () => {
    const bytes = fieldsOf((writer) => {
      writer.text(90, 'later')
      writer.text(1, 'p')
      writer.number(2, 7)
      nested(writer, 3, () => {
        writer.number(1, 1)
        writer.number(32, 1_700_000_000_000)
        writer.text(2, 'id')
        writer.text(37, 'traceparent')
        nested(writer, 3, () => {
          writer.number(1, 3)
          writer.text(70, 'later')
          writer.text(3, 'c1')
        })
        writer.bytes(4, new Uint8Array(0))
      })
    })
    assert.deepEqual(binaryCodec.decode(bytes), {
      publisher: 'p',
      seq: 7,
      envelopes: [
        {
          type: 'push',
          id: 'id',
          to: { type: 'connections', connections: ['c1'] },
          payload: { kind: 'text', data: new Uint8Array(0) },
          except: undefined,
          key: undefined,
          hops: 0,
          resent: false,
        },
      ],
    })
  })

  it('refuses a batch without a publisher or a seq, and an envelope that lacks a part or has an unknown type', () => {
    const flawed: ((writer: TlvWriter) => void)[] = [
      (writer) => writer.number(2, 1),
      (writer) => writer.text(1, 'p'),
      batchWith(() => {}),
      batchWith((writer) => writer.number(1, 1)),
      batchWith((writer) => writer.number(1, 2)),
      batchWith((writer) => writer.number(1, 3)),
      batchWith((writer) => writer.number(1, 4)),
      batchWith((writer) => nested(writer, 3, () => writer.number(1, 9))),
      batchWith((writer) => nested(writer, 9, () => writer.number(1, 9))),
      batchWith((writer) => nested(writer, 9, () => writer.number(1, 1))),
    ]
    for (const write of flawed) assertBadEnvelope(() => binaryCodec.decode(fieldsOf(write)))
  })

  it('writes the key of a push into the field reserved for it, and nothing if the push has no key', () => {
    const push = pushOf(encodePayload('x'))
    const withKey = binaryCodec.encode(batchOf({ ...push, key: 'price' }))
    const field = Buffer.from([33, 5, ...Buffer.from('price')])
    assert.equal(Buffer.from(withKey).includes(field), true)
    assert.equal(withKey.length - binaryCodec.encode(batchOf(push)).length, field.length)
  })

  it('marks JSON by a bit that older nodes skip, and otherwise writes the same bytes as they do', () => {
    const push = pushOf({ kind: 'text', data: '{"a":1}' })
    const text = binaryCodec.encode(batchOf(push))
    const json = binaryCodec.encode(batchOf({ ...push, payload: { kind: 'json', data: '{"a":1}' } }))
    assert.equal(json.length - text.length, 3)
    assert.deepEqual([...json.subarray(-3)], [8, 1, 4])
  })

  it('refuses another version', () => {
    const bytes = binaryCodec.encode(batchOf()).slice()
    bytes[2] = 2
    assertBadEnvelope(() => binaryCodec.decode(bytes))
  })

  it('costs a lone push of a short text less than 80 bytes around it', () => {
    const text = 'x'.repeat(128)
    const bytes = binaryCodec.encode(batchOf(pushOf(encodePayload(text))))
    assert.ok(bytes.length < text.length + 80, `${bytes.length} bytes`)
  })
})

describe('the codec json, on the wire', () => {
  it('can be read by people: a text payload stays a text', () => {
    const json = Buffer.from(jsonCodec.encode(batchOf(pushOf(encodePayload('hello'))))).toString()
    assert.equal(JSON.parse(json).envelopes[0].text, 'hello')
    assert.equal(JSON.parse(json).envelopes[0].json, undefined)
  })

  it('skips fields of later versions, and refuses any flaw in the fields that it knows', () => {
    const good = JSON.parse(Buffer.from(jsonCodec.encode(batchOf(pushOf(encodePayload('hello'))))).toString())
    assert.deepEqual(textsOf(decodeJson({ ...good, later: 1 })), ['hello'])
    const [push] = good.envelopes
    const flawed: unknown[] = [
      null,
      [],
      'x',
      { ...good, version: 2 },
      { ...good, publisher: 1 },
      { ...good, seq: '1' },
      { ...good, seq: -1 },
      { ...good, envelopes: {} },
      ...[null, { type: 'other' }, { ...push, id: 1 }, { ...push, to: undefined }, { ...push, to: { type: 'x' } }]
        .concat([
          { ...push, text: undefined },
          { ...push, binary: '*' },
          { ...push, binary: 1 },
          { ...push, key: 1 },
        ])
        .concat([
          { ...push, except: { uids: [1], connections: [] } },
          { ...push, hops: 0.5 },
        ])
        .map((flaw) => ({ ...good, envelopes: [flaw] })),
    ]
    for (const json of flawed) assertBadEnvelope(() => decodeJson(json))
  })
})

describe('TLV', () => {
  it('moves the content of a field to make room for its length if the size hint was too small', () => {
    for (const size of [0, 127, 128, 20_000, 3_000_000]) {
      const writer = new TlvWriter(16)
      nested(writer, 1, () => writer.raw(noise(size)))
      writer.text(2, 'after')
      const reader = new TlvReader(writer.finish())
      assert.equal(reader.tag(), 1)
      assert.deepEqual(reader.value(), noise(size))
      assert.equal(reader.tag(), 2)
      assert.equal(reader.text(), 'after')
    }
  })
})

function nested(writer: TlvWriter, tag: number, write: () => void): void {
  const at = writer.begin(tag, 0)
  write()
  writer.end(at)
}

/** A batch of the binary codec, written by hand. */
function fieldsOf(write: (writer: TlvWriter) => void): Uint8Array {
  const writer = new TlvWriter()
  writer.raw(Uint8Array.of(0xf1, 0x07, 1))
  const at = writer.beginSized(0)
  write(writer)
  writer.end(at)
  return writer.finish()
}

function batchWith(write: (writer: TlvWriter) => void): (writer: TlvWriter) => void {
  return (writer) => {
    writer.text(1, 'p')
    writer.number(2, 1)
    nested(writer, 3, () => write(writer))
  }
}

function decodeJson(json: unknown): Batch {
  return jsonCodec.decode(Buffer.from(JSON.stringify(json)))
}

function batchOf(...envelopes: Envelope[]): Batch {
  return { publisher: 'web-1-abcdefghij', seq: 42, envelopes }
}

function pushOf(payload: Payload): Extract<Envelope, { type: 'push' }> {
  const connections = ['abcdefghij-0a1' as ConnectionId]
  const to = { type: 'connections', connections } as const
  return {
    type: 'push',
    id: '01jabcdefghijk' as PushId,
    to,
    payload,
    except: undefined,
    key: undefined,
    hops: 0,
    resent: false,
  }
}

function textsOf(batch: Batch): string[] {
  return batch.envelopes.flatMap((envelope) =>
    envelope.type === 'push' ? [Buffer.from(envelope.payload.data).toString()] : [],
  )
}

function assertCarried(codec: Codec, batch: Batch): void {
  assert.deepEqual(inUtf8(codec.decode(codec.encode(batch))), inUtf8(batch))
}

/** Makes payloads comparable: a text is a string before it is encoded, and may be UTF-8 bytes after it was decoded. */
function inUtf8(batch: Batch): unknown {
  return batch.envelopes.map((envelope) => {
    if (envelope.type !== 'push') return envelope
    const { kind, data } = envelope.payload
    return { ...envelope, payload: { kind, data: Buffer.from(data).toString('hex') } }
  })
}

function noise(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31) & 0xff)
}

function assertBadEnvelope(call: () => unknown): void {
  assert.throws(call, { name: 'FlotillaError', code: 'FLT_BAD_ENVELOPE' })
}

function assertRefusedOrRead(codec: Codec, bytes: Uint8Array): void {
  try {
    assert.ok(codec.decode(bytes).envelopes.length <= bytes.length)
  } catch (error) {
    assert.ok(isFlotillaError(error) && error.code === 'FLT_BAD_ENVELOPE', String(error))
  }
}
