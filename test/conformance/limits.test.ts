// RFC 6455 §10.4, and sizes that clients use: large messages, many messages, small pieces.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { type Case, conformance, fragments, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, describeFrame, text } from './transcript.ts'

const KIB = 1_024
const MIB = 1_024 * KIB
const MAX = 16 * MIB

const { url } = await startEcho({ maxPayload: MAX })
const small = await startEcho({ maxPayload: 1_000 })

const letters = (size: number): string => 'Aé€🚢'.repeat(Math.ceil(size / 10)).slice(0, size)
const inPieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const atOnce = { url, deliveries: ['in one write'] } as const

conformance(
  '9.1 large messages in one frame',
  [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, MAX].flatMap((size): Case[] => {
    const bytes = someBytes(size)
    const ascii = Buffer.alloc(size, 'flotilla ')
    return [
      { name: `9.1 a text of ${size} bytes`, send: [rawFrame(ascii)], expect: [text(ascii)] },
      { name: `9.1 ${size} bytes`, send: [rawFrame(bytes, { opcode: Opcode.binary })], expect: [binary(bytes)] },
    ]
  }),
  atOnce,
)

const FOUR_MIB = someBytes(4 * MIB)
conformance(
  '9.2 4 MiB in fragments of any size',
  [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].map((size): Case => ({
    name: `9.2 fragments of ${size} bytes`,
    send: fragments(inPieces(FOUR_MIB, size), Opcode.binary),
    expect: [binary(FOUR_MIB)],
  })),
  atOnce,
)

describe('9.3 a text of 100,000 characters in writes of any size', { concurrency: true }, () => {
  const message = letters(100_000)
  for (const size of [64, 128, 256, 512, KIB, 2 * KIB]) {
    it(`9.3 writes of ${size} bytes`, async () => {
      using client = await RawClient.connect(url, '/echo')
      await client.writeChopped(rawFrame(message), size)
      assert.equal(describeFrame(await client.next()), text(message))
    })
  }
})

describe('9.4 a thousand messages, all sent before the first answer is read', () => {
  for (const size of [0, 16, 64, 256, KIB, 4 * KIB]) {
    it(`9.4 of ${size} bytes`, async () => {
      using client = await RawClient.connect(url, '/echo')
      const message = someBytes(size)
      const count = 1_000
      client.write(Buffer.concat(Array.from({ length: count }, () => rawFrame(message, { opcode: Opcode.binary }))))
      await client.waitFor(count)
      const expected = Array.from({ length: count }, () => binary(message))
      assert.deepEqual(client.frames.map(describeFrame), expected)
    })
  }
})

describe('9.5 a hundred messages, each sent after the answer to the one before', { concurrency: true }, () => {
  for (const size of [0, 16, 64, 256, KIB, 4 * KIB, 16 * KIB, 128 * KIB]) {
    it(`9.5 of ${size} bytes`, async () => {
      using client = await RawClient.connect(url, '/echo')
      const message = someBytes(size)
      for (let count = 0; count < 100; count++) {
        client.send(message, { opcode: Opcode.binary })
        assert.equal((await client.next()).payload.compare(message), 0)
      }
    })
  }
})

/** Only the header of a frame: a message that is too long is refused before its payload is read. */
const headerOf = (size: number, init = {}): Buffer =>
  rawFrame(Buffer.alloc(size), { opcode: Opcode.binary, ...init }).subarray(0, 14)

conformance(
  '9.6 messages beyond maxPayload',
  [
    { name: '9.6 one byte more', send: [rawFrame(Buffer.alloc(MAX + 1), { opcode: 2 })], expect: [close(1009)] },
    { name: '9.6 the header alone is enough', send: [headerOf(MAX + 1)], expect: [close(1009)] },
    {
      name: '9.6 a valid message is answered before',
      send: [rawFrame('well'), headerOf(MAX + 1)],
      expect: [text('well'), close(1009)],
    },
    {
      name: '9.6 fragments that have too many bytes in total',
      send: [rawFrame(Buffer.alloc(MAX), { opcode: 2, fin: false }), rawFrame('x', { opcode: 0 })],
      expect: [close(1009)],
    },
  ],
  atOnce,
)

conformance(
  '9.7 messages around a small maxPayload',
  [
    { name: '9.7 exactly as many bytes', send: [rawFrame('x'.repeat(1_000))], expect: [text('x'.repeat(1_000))] },
    { name: '9.7 one byte more', send: [rawFrame('x'.repeat(1_001))], expect: [close(1009)] },
    {
      name: '9.7 exactly as many characters, but more bytes',
      send: [rawFrame('é'.repeat(1_000))],
      expect: [close(1009)],
    },
    {
      name: '9.7 ten fragments, exactly as many bytes',
      send: fragments(Array.from({ length: 10 }, () => 'x'.repeat(100))),
      expect: [text('x'.repeat(1_000))],
    },
    {
      name: '9.7 ten fragments, one byte more',
      send: fragments([...Array.from({ length: 9 }, () => 'x'.repeat(100)), 'x'.repeat(101)]),
      expect: [close(1009)],
    },
    {
      name: '9.7 control frames between fragments do not count',
      send: fragments(Array.from({ length: 10 }, () => 'x'.repeat(100))).flatMap((fragment) => [
        rawFrame('p'.repeat(125), { opcode: Opcode.pong }),
        fragment,
      ]),
      expect: [text('x'.repeat(1_000))],
    },
    {
      name: '9.7 the next message counts from zero',
      send: [rawFrame('x'.repeat(1_000)), rawFrame('y'.repeat(1_000))],
      expect: [text('x'.repeat(1_000)), text('y'.repeat(1_000))],
    },
  ],
  { url: small.url },
)

conformance(
  '9.8 fragments without end',
  [
    {
      name: '9.8 more empty fragments than any message needs: 1008',
      send: Array.from({ length: 20_000 }, (_, index) => rawFrame('', { opcode: index === 0 ? 1 : 0, fin: false })),
      expect: [close(1008)],
    },
  ],
  { url: small.url, deliveries: ['in one write'] },
)

conformance(
  '10.1 fragment sizes that are common elsewhere',
  [1_300, 1_460, 4_095].map((size): Case => {
    const message = 'Hello! '.repeat(10_000).slice(0, 65_536)
    return {
      name: `10.1 a text of 65536 bytes in fragments of ${size}`,
      send: fragments(inPieces(Buffer.from(message), size)),
      expect: [text(message)],
    }
  }),
  { url },
)
