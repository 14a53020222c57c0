import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { Batch, Codec } from '../../src/envelope/envelope.ts'
import { jsonCodec } from '../../src/envelope/json-codec.ts'
import { TlvReader, TlvWriter } from '../../src/envelope/tlv.ts'
import { isFlotillaError } from '../../src/errors.ts'
import { anyBatch } from '../support/arbitraries.ts'
import { runs } from '../support/fuzz.ts'

const anyBytes = fc.uint8Array({ maxLength: 2_000 })

describe('binary: whatever an inbox holds', () => {
  it("random bytes after the codec's first bytes are refused, or read as a batch that can be written again", () => {
    const header = [0xf1, 0x07, 0x01]
    const property = fc.property(anyBytes, (bytes) => {
      assertRefusedOrWhole(binaryCodec, Uint8Array.from([...header, bytes.length, ...bytes]))
      assertRefusedOrWhole(binaryCodec, bytes)
    })
    fc.assert(property, runs(2_000))
  })

  it('a batch with bytes changed, left out, inserted or moved is refused, or read as another batch', () => {
    const property = fc.property(anyBatch, anyEdits, (batch, edits) =>
      assertRefusedOrWhole(binaryCodec, edited(binaryCodec.encode(batch), edits)),
    )
    fc.assert(property, runs(2_000))
  })

  it('two batches spliced anywhere are refused, or read as another batch', () => {
    const property = fc.property(anyBatch, anyBatch, fc.nat(), fc.nat(), (first, second, cut, from) => {
      const [a, b] = [binaryCodec.encode(first), binaryCodec.encode(second)]
      const spliced = [...a.subarray(0, cut % a.length), ...b.subarray(from % b.length)]
      assertRefusedOrWhole(binaryCodec, Uint8Array.from(spliced))
    })
    fc.assert(property, runs(1_000))
  })

  it('a length of up to 2^53 bytes without the bytes costs no memory', () => {
    const property = fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 40 }), (length, tag) => {
      const writer = new TlvWriter()
      writer.raw(Uint8Array.of(0xf1, 0x07, 0x01))
      writer.varint(length)
      writer.varint(tag)
      writer.varint(length)
      assertRefusedOrWhole(binaryCodec, writer.finish())
    })
    fc.assert(property, runs(500))
  })

  it('unknown fields of later versions, at any level and in any number, change nothing', () => {
    const property = fc.property(anyBatch, fc.array(anyLaterField, { minLength: 1, maxLength: 20 }), (batch, later) => {
      const bytes = binaryCodec.encode(batch)
      assert.deepEqual(binaryCodec.decode(withLaterFields(bytes, later)), binaryCodec.decode(bytes))
    })
    fc.assert(property, runs(1_000))
  })
})

describe('json: whatever an inbox holds', () => {
  it('random bytes, and random JSON, are refused, or read as a batch that can be written again', () => {
    const property = fc.property(fc.oneof(anyBytes, fc.json().map(utf8)), (bytes) =>
      assertRefusedOrWhole(jsonCodec, bytes),
    )
    fc.assert(property, runs(1_000))
  })

  it('a batch in which any value was replaced by any other is refused, or read as another batch', () => {
    const property = fc.property(anyBatch, fc.nat(), anyJson, (batch, place, value) => {
      const parsed: unknown = JSON.parse(Buffer.from(jsonCodec.encode(batch)).toString())
      assertRefusedOrWhole(jsonCodec, utf8(JSON.stringify(replaced(parsed, place, value))))
    })
    fc.assert(property, runs(2_000))
  })

  it('JSON nested to any depth is refused without a stack overflow', () => {
    for (const depth of [10, 10_000, 200_000]) {
      assertRefusedOrWhole(jsonCodec, utf8('['.repeat(depth)))
      assertRefusedOrWhole(jsonCodec, utf8(`${'['.repeat(depth)}${']'.repeat(depth)}`))
      assertRefusedOrWhole(jsonCodec, utf8(`${'{"to":'.repeat(depth)}1${'}'.repeat(depth)}`))
    }
  })
})

const anyJson = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, -1, 0.5, 1e300, 2 ** 53, '', [], {}, '\uD800', '****', 'push', 'control', 'all'),
)

type Edit =
  | { readonly type: 'set' | 'insert'; readonly at: number; readonly value: number }
  | { readonly type: 'remove'; readonly at: number; readonly count: number }
  | { readonly type: 'swap'; readonly at: number; readonly with: number }

const byte = fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0x7f, 0x80, 0xff))
const anyEdits: fc.Arbitrary<Edit[]> = fc.array(
  fc.oneof(
    fc.record({ type: fc.constantFrom('set' as const, 'insert' as const), at: fc.nat(), value: byte }),
    fc.record({ type: fc.constant('remove' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ type: fc.constant('swap' as const), at: fc.nat(), with: fc.nat() }),
  ),
  { minLength: 1, maxLength: 6 },
)

function edited(original: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const bytes = [...original]
  for (const edit of edits) {
    const at = edit.at % (bytes.length + 1)
    if (edit.type === 'remove') bytes.splice(at, edit.count)
    else if (edit.type === 'swap') bytes.splice(at, 1, bytes[edit.with % (bytes.length + 1)] ?? 0)
    else bytes.splice(at, edit.type === 'set' ? 1 : 0, edit.value)
  }
  return Uint8Array.from(bytes)
}

interface LaterField {
  readonly tag: number
  readonly value: Uint8Array
}

/** Tags that no version has used yet. */
const anyLaterField: fc.Arbitrary<LaterField> = fc.record({
  tag: fc.oneof(
    fc.integer({ min: 64, max: 300 }),
    fc.maxSafeNat().map((tag) => Math.max(tag, 64)),
  ),
  value: fc.uint8Array({ maxLength: 40 }),
})

const ENVELOPE: Level = {
  fields: { 3: { fields: {}, startsWithType: true }, 6: { fields: {} }, 9: { fields: {} } },
  startsWithType: true,
}
const BATCH: Level = { fields: { 3: ENVELOPE } }

/** A field that contains fields. */
interface Level {
  /** The fields that contain fields themselves. */
  readonly fields: Readonly<Record<number, Level>>
  /** No other field may come before the first one. */
  readonly startsWithType?: boolean
}

/** The same batch with unknown fields: one after each known field. */
function withLaterFields(bytes: Uint8Array, later: readonly LaterField[]): Uint8Array {
  let next = 0
  const writer = new TlvWriter()
  const copy = (reader: TlvReader, { fields, startsWithType }: Level): void => {
    const put = (): void => {
      const { tag, value } = later[next++ % later.length]!
      writer.bytes(tag, value)
    }
    if (startsWithType !== true) put()
    while (!reader.done) {
      const tag = reader.tag()
      const level = fields[tag]
      if (level === undefined) writer.bytes(tag, reader.value())
      else {
        const [outerEnd, at] = [reader.enter(), writer.begin(tag, 0)]
        copy(reader, level)
        writer.end(at)
        reader.leave(outerEnd)
      }
      put()
    }
  }
  writer.raw(bytes.subarray(0, 3))
  const reader = new TlvReader(bytes.subarray(3))
  const [outerEnd, at] = [reader.enter(), writer.beginSized(0)]
  copy(reader, BATCH)
  writer.end(at)
  reader.leave(outerEnd)
  return writer.finish().slice()
}

/** The tree with the value at its nth place replaced. */
function replaced(root: unknown, place: number, value: unknown): unknown {
  const spots: { readonly parent: Record<string, unknown>; readonly key: string }[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, child] of Object.entries(node)) {
      spots.push({ parent: node as Record<string, unknown>, key })
      visit(child)
    }
  }
  visit(root)
  const { parent, key } = spots[place % spots.length]!
  parent[key] = value
  return root
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text)
}

/** Any batch that is read must not be larger than its bytes, and no other error may be thrown. */
function assertRefusedOrWhole(codec: Codec, bytes: Uint8Array): void {
  const batch = decoded(codec, bytes)
  if (batch === undefined) return
  assert.ok(sizeOf(batch) <= 16 * bytes.length + 64, `${bytes.length} bytes became ${sizeOf(batch)}`)
  assert.deepEqual(codec.decode(codec.encode(batch)), batch)
}

function decoded(codec: Codec, bytes: Uint8Array): Batch | undefined {
  try {
    return codec.decode(bytes)
  } catch (error) {
    assert.ok(isFlotillaError(error) && error.code === 'FLT_BAD_ENVELOPE', String((error as Error).stack))
    return undefined
  }
}

/** The size of the batch's content, counted as JSON would count it. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length + 2
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, item) => sum + sizeOf(item), 2)
}
