// RFC 7692: permessage-deflate.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, deflateRawSync, type ZlibOptions } from 'node:zlib'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, rawFrame, type RawFrameInit } from '../support/raw-frame.ts'
import { type Case, CLOSE, closing, conformance, fragments, ping, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, compressed, describeFrame, pong, text } from './transcript.ts'

const MIB = 2 ** 20
const { url } = await startEcho({ compression: { threshold: 100 }, maxPayload: 16 * MIB })
const small = await startEcho({ compression: { threshold: 100 }, maxPayload: 10_000 })
const without = await startEcho()

const offering = (offer: string): Record<string, string> => ({ 'Sec-WebSocket-Extensions': offer })
const headers = offering('permessage-deflate; client_max_window_bits')

// ---- 12: negotiation

const NO_CONTEXT = 'server_no_context_takeover; client_no_context_takeover'
const AGREED = `permessage-deflate; ${NO_CONTEXT}`

/** Parameters may be answered in any order. */
const normal = (extensions: string | undefined): string | undefined => extensions?.split('; ').toSorted().join('; ')

describe('12.1 the answer to an offer', { concurrency: true }, () => {
  const answers: [offer: string, answer: string | undefined][] = [
    ['permessage-deflate', AGREED],
    ['permessage-deflate; client_max_window_bits', AGREED],
    ['permessage-deflate; client_no_context_takeover', AGREED],
    ['permessage-deflate; server_no_context_takeover', AGREED],
    ['permessage-deflate; server_no_context_takeover; client_no_context_takeover', AGREED],
    ['permessage-deflate; server_max_window_bits=15', `${AGREED}; server_max_window_bits=15`],
    ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits): [string, string] => [
      `permessage-deflate; client_max_window_bits=${bits}`,
      `${AGREED}; client_max_window_bits=${bits}`,
    ]),
    [
      'permessage-deflate; server_max_window_bits=15; client_max_window_bits=10; client_no_context_takeover',
      `${AGREED}; server_max_window_bits=15; client_max_window_bits=10`,
    ],
    // The server compresses a message once for everyone, with the largest window.
    ...[8, 9, 10, 11, 12, 13, 14].map((bits): [string, undefined] => [
      `permessage-deflate; server_max_window_bits=${bits}`,
      undefined,
    ]),
    // §7.1.3: the server accepts the first offer that suits.
    ['permessage-deflate; server_max_window_bits=10, permessage-deflate', AGREED],
    [
      'permessage-deflate; strange, permessage-deflate; client_max_window_bits=12',
      `${AGREED}; client_max_window_bits=12`,
    ],
    ['permessage-deflate, permessage-deflate; client_max_window_bits=9', AGREED],
    ['x-webkit-deflate-frame, permessage-deflate', AGREED],
    ['x-one; a=1; b, x-two, permessage-deflate; client_max_window_bits, x-three', AGREED],
    // Whitespace, quotes (RFC 6455 §9.1) and empty elements (RFC 9110 §5.6.1.2).
    ['  permessage-deflate  ;  client_max_window_bits  =  12  ', `${AGREED}; client_max_window_bits=12`],
    ['permessage-deflate;client_max_window_bits=12', `${AGREED}; client_max_window_bits=12`],
    ['permessage-deflate; client_max_window_bits="12"', `${AGREED}; client_max_window_bits=12`],
    ['permessage-deflate; client_max_window_bits="\\1\\2"', `${AGREED}; client_max_window_bits=12`],
    [', permessage-deflate,', AGREED],
  ]
  for (const [offer, answer] of answers) {
    it(`12.1 ${offer}`, async () => {
      using client = await RawClient.connect(url, '/echo', offering(offer))
      assert.match(client.answer, /^HTTP\/1\.1 101 /)
      assert.equal(normal(client.extensions), normal(answer))
      const message = 'x'.repeat(200)
      client.send(message)
      assert.equal(describeFrame(await client.next()), answer === undefined ? text(message) : compressed(text(message)))
    })
  }
})

describe('12.2 offers that are declined (RFC 7692 §7.1)', { concurrency: true }, () => {
  const declined = [
    'x-webkit-deflate-frame',
    'permessage-bzip2',
    'Permessage-Deflate',
    'permessage-deflate; unknown',
    'permessage-deflate; unknown=1',
    'permessage-deflate; toString',
    'permessage-deflate; __proto__=15',
    'permessage-deflate; client_max_window_bits; client_max_window_bits',
    'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits=9; client_max_window_bits=9',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; server_no_context_takeover=true',
    ...['7', '16', '0', '-1', '+9', '09', '1e1', '0xf', '9.0', 'ten', '99999999999'].flatMap((bits) => [
      `permessage-deflate; client_max_window_bits=${bits}`,
      `permessage-deflate; server_max_window_bits=${bits}`,
    ]),
  ]
  for (const offer of declined) {
    it(`12.2 ${offer}`, async () => {
      using client = await RawClient.connect(url, '/echo', offering(offer))
      assert.match(client.answer, /^HTTP\/1\.1 101 /)
      assert.equal(client.extensions, undefined)
      client.send('x'.repeat(200))
      assert.equal(describeFrame(await client.next()), text('x'.repeat(200)))
    })
  }

  it('12.2 any offer, if the server does not compress', async () => {
    using client = await RawClient.connect(without.url, '/echo', headers)
    assert.equal(client.extensions, undefined)
    client.send(deflate('x'), { rsv1: true })
    assert.equal(await client.closeCode(), 1002)
  })
})

// ---- 13: messages

/** A compressed message as a client sends it, without its last four bytes (§7.2.1). */
function deflate(data: string | Uint8Array, options: ZlibOptions = {}): Buffer {
  return deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, ...options }).subarray(0, -4)
}

const message = (data: string | Uint8Array, init: RawFrameInit = {}): Buffer =>
  rawFrame(deflate(data), { rsv1: true, ...init })

/** The threshold of the server, which sends shorter messages uncompressed. */
const echoOf = (data: string): string => (Buffer.byteLength(data) < 100 ? text(data) : compressed(text(data)))

const json = (size: number): string =>
  JSON.stringify(Array.from({ length: size }, (_, id) => ({ id, name: `名前 ${id}` })))

/** A compressed message in fragments of a given size. Only the first fragment has RSV1 set (§6.1). */
const deflatedFragments = (data: Buffer, size: number, opcode: number = Opcode.text): Buffer[] =>
  fragments(
    Array.from({ length: Math.ceil(data.length / size) }, (_, index) =>
      data.subarray(index * size, (index + 1) * size),
    ),
    opcode,
  ).map((frame, index) => (index === 0 ? Buffer.concat([Buffer.of(frame[0]! | 0x40), frame.subarray(1)]) : frame))

const SIZES = [0, 1, 16, 64, 99, 100, 125, 126, 127, 128, 256, 1_024, 4_096, 16_384, 65_535, 65_536, 131_072]

conformance(
  '13.1 compressed messages of any size',
  SIZES.flatMap((size): Case[] => {
    const ascii = 'Hello! '.repeat(size).slice(0, size)
    const zeros = Buffer.alloc(size)
    return [
      { name: `13.1 a text of ${size} bytes`, send: [message(ascii)], expect: [echoOf(ascii)] },
      {
        name: `13.1 ${size} zeros`,
        send: [message(zeros, { opcode: Opcode.binary })],
        expect: [size < 100 ? binary(zeros) : compressed(binary(zeros))],
      },
      {
        name: `13.1 ${size} bytes that do not shrink`,
        send: [message(someBytes(size), { opcode: Opcode.binary })],
        expect: [binary(someBytes(size))],
      },
    ]
  }),
  { url, headers },
)

conformance(
  '13.2 large compressed messages',
  [MIB, 4 * MIB, 16 * MIB - 1].map((size): Case => {
    const data = Buffer.alloc(size, JSON.stringify({ price: 42, currency: 'EUR' }))
    return {
      name: `13.2 a text of ${size} bytes`,
      send: [rawFrame(deflate(data), { rsv1: true })],
      expect: [compressed(text(data))],
    }
  }),
  { url, headers, deliveries: ['in one write'] },
)

conformance(
  '13.3 a window of any size',
  [9, 10, 11, 12, 13, 14, 15].map((windowBits): Case => ({
    name: `13.3 ${windowBits} bits`,
    send: [
      rawFrame(deflate(json(2_000), { windowBits }), { rsv1: true }),
      rawFrame(deflate(json(3_000), { windowBits }), { rsv1: true }),
    ],
    expect: [compressed(text(json(2_000))), compressed(text(json(3_000)))],
  })),
  { url, headers, deliveries: ['in one write', 'chopped'] },
)

conformance(
  '13.4 compressed messages in fragments',
  [
    ...[1, 7, 64, 256, 1_024, 100_000].map((size): Case => ({
      name: `13.4 fragments of ${size} bytes`,
      send: deflatedFragments(deflate(json(50)), size),
      expect: [compressed(text(json(50)))],
    })),
    {
      name: '13.4 empty fragments first, between and last',
      send: [
        rawFrame('', { rsv1: true, fin: false }),
        rawFrame(deflate(json(50)).subarray(0, 9), { opcode: 0, fin: false }),
        rawFrame('', { opcode: 0, fin: false }),
        rawFrame(deflate(json(50)).subarray(9), { opcode: 0, fin: false }),
        rawFrame('', { opcode: 0 }),
      ],
      expect: [compressed(text(json(50)))],
    },
    {
      name: '13.4 a ping, which is not compressed, between two fragments',
      send: deflatedFragments(deflate(json(50)), 100).flatMap((fragment, index) => [
        ...(index === 1 ? [ping('p')] : []),
        fragment,
      ]),
      expect: [pong('p'), compressed(text(json(50)))],
    },
    {
      name: '13.4 a character in two fragments',
      send: deflatedFragments(deflate('€'.repeat(100)), 3),
      expect: [compressed(text('€'.repeat(100)))],
    },
    {
      name: '13.4 many deflate blocks in one message',
      send: [
        rawFrame(
          Buffer.concat([deflateRawSync('a'.repeat(200), { finishFlush: constants.Z_SYNC_FLUSH }), deflate('b')]),
          { rsv1: true },
        ),
      ],
      expect: [compressed(text(`${'a'.repeat(200)}b`))],
    },
    {
      name: '13.4 a stored block, which does not compress',
      send: [
        rawFrame(Buffer.concat([Buffer.of(0, 5, 0, 0xfa, 0xff), Buffer.from('Hello'), Buffer.of(0)]), { rsv1: true }),
      ],
      expect: [text('Hello')],
    },
    {
      name: '13.4 a last block with the bit BFINAL set, and the padding after it (§7.2.3.4)',
      send: [rawFrame(Buffer.concat([deflateRawSync('Hello'), Buffer.alloc(1)]), { rsv1: true })],
      expect: [text('Hello')],
    },
  ],
  { url, headers },
)

conformance(
  '13.5 empty messages',
  [
    { name: '13.5 an empty text', send: [message('')], expect: [text('')] },
    { name: '13.5 no bytes', send: [message('', { opcode: Opcode.binary })], expect: [binary(Buffer.alloc(0))] },
    {
      name: '13.5 an empty text as §7.2.3.6 writes it, one zero',
      send: [rawFrame(Buffer.of(0), { rsv1: true })],
      expect: [text('')],
    },
    {
      name: '13.5 an empty text in three fragments',
      send: [
        rawFrame('', { rsv1: true, fin: false }),
        rawFrame('', { opcode: 0, fin: false }),
        rawFrame(Buffer.of(0), { opcode: 0 }),
      ],
      expect: [text('')],
    },
  ],
  { url, headers },
)

conformance(
  '13.6 compressed and plain messages, alternating',
  [
    { name: '13.6 a plain text alone', send: [rawFrame(json(50))], expect: [compressed(text(json(50)))] },
    {
      name: '13.6 plain, compressed, plain',
      send: [rawFrame('one'), message('two'), rawFrame('three')],
      expect: [text('one'), text('two'), text('three')],
    },
    {
      name: '13.6 plain fragments after a compressed message',
      send: [message('compressed'), ...fragments(['pla', 'in'])],
      expect: [text('compressed'), text('plain')],
    },
    {
      name: '13.6 a compressed message right before a close frame',
      send: [message('last'), CLOSE],
      expect: [text('last'), close(1000)],
    },
    {
      name: '13.6 a hundred of both, right before a close frame',
      send: [
        ...Array.from({ length: 100 }, (_, n) => (n % 3 ? message(`message ${n}`) : rawFrame(`message ${n}`))),
        CLOSE,
      ],
      expect: [...Array.from({ length: 100 }, (_, n) => text(`message ${n}`)), close(1000)],
    },
  ],
  { url, headers },
)

const cut = (data: string, length: number): Buffer => rawFrame(deflate(data).subarray(0, length), { rsv1: true })

conformance(
  '13.7 RSV1 in frames that must not have it (RFC 7692 §6)',
  [
    {
      name: '13.7 on a fragment that continues a compressed message',
      send: [
        rawFrame(deflate(json(9)).subarray(0, 9), { rsv1: true, fin: false }),
        rawFrame(deflate(json(9)).subarray(9), { rsv1: true, opcode: 0 }),
      ],
      expect: [close(1002)],
    },
    {
      name: '13.7 on a fragment that continues a plain message',
      send: [rawFrame('frag', { fin: false }), rawFrame('ment', { rsv1: true, opcode: 0 })],
      expect: [close(1002)],
    },
    { name: '13.7 on a ping', send: [rawFrame('p', { rsv1: true, opcode: Opcode.ping })], expect: [close(1002)] },
    { name: '13.7 on a pong', send: [rawFrame('p', { rsv1: true, opcode: Opcode.pong })], expect: [close(1002)] },
    {
      name: '13.7 on a close frame',
      send: [rawFrame('', { rsv1: true, opcode: Opcode.close })],
      expect: [close(1002)],
    },
  ],
  { url, headers },
)

conformance(
  '13.8 broken deflate data: 1007, and no part of it is delivered',
  [
    ...Array.from({ length: deflate(json(3)).length - 1 }, (_, index): Case => ({
      name: `13.8 cut off after byte ${index + 1}`,
      send: [cut(json(3), index + 1)],
      expect: [close(1007)],
    })),
    { name: '13.8 no deflate data', send: [rawFrame('Hello, Hello', { rsv1: true })], expect: [close(1007)] },
    { name: '13.8 a reserved block type', send: [rawFrame(Buffer.of(0x07), { rsv1: true })], expect: [close(1007)] },
    {
      name: '13.8 a stored block whose length does not match',
      send: [rawFrame(Buffer.of(0, 5, 0, 0, 0, 1, 2, 3, 4, 5), { rsv1: true })],
      expect: [close(1007)],
    },
    {
      name: '13.8 a distance further back than the message: there is no context from the one before',
      send: [
        message('the same words again'),
        rawFrame(deflate('the same words again', { dictionary: Buffer.from('the same words again') }), { rsv1: true }),
      ],
      expect: [text('the same words again'), close(1007)],
    },
    {
      name: '13.8 a text that is not UTF-8 when it is inflated',
      send: [message(Buffer.of(0xc3, 0x28))],
      expect: [close(1007)],
    },
    {
      name: '13.8 bytes that are not UTF-8 are accepted',
      send: [message(Buffer.of(0xc3, 0x28), { opcode: Opcode.binary })],
      expect: [binary(Buffer.of(0xc3, 0x28))],
    },
    {
      name: '13.8 a valid message before it is answered',
      send: [message('well'), cut(json(9), 20), message('never seen')],
      expect: [text('well'), close(1007)],
    },
  ],
  { url, headers },
)

const overLimit = (size: number): Buffer => rawFrame(deflate(Buffer.alloc(size)), { rsv1: true, opcode: Opcode.binary })

conformance(
  '13.9 maxPayload counts inflated bytes',
  [
    {
      name: '13.9 exactly maxPayload bytes',
      send: [overLimit(10_000)],
      expect: [compressed(binary(Buffer.alloc(10_000)))],
    },
    { name: '13.9 one byte more', send: [overLimit(10_001)], expect: [close(1009)] },
    { name: '13.9 a bomb: 5 MiB in 5 KB', send: [overLimit(5 * MIB)], expect: [close(1009)] },
    {
      name: '13.9 a bomb in fragments',
      send: deflatedFragments(deflate(Buffer.alloc(5 * MIB)), 100, Opcode.binary),
      expect: [close(1009)],
    },
    {
      name: '13.9 a bomb beyond maxPayload before it is inflated',
      send: [overLimit(100 * MIB)],
      expect: [close(1009)],
    },
    {
      name: '13.9 exactly maxPayload bytes that do not shrink, so compression makes them longer',
      send: [message(someBytes(10_000), { opcode: Opcode.binary })],
      expect: [binary(someBytes(10_000))],
    },
    {
      name: '13.9 one byte more that does not shrink',
      send: [message(someBytes(10_001), { opcode: Opcode.binary })],
      expect: [close(1009)],
    },
    {
      name: '13.9 a plain message of exactly maxPayload bytes',
      send: [rawFrame(someBytes(10_000), { opcode: Opcode.binary })],
      expect: [binary(someBytes(10_000))],
    },
    {
      name: '13.9 the next message counts from zero',
      send: [overLimit(10_000), overLimit(10_000)],
      expect: [compressed(binary(Buffer.alloc(10_000))), compressed(binary(Buffer.alloc(10_000)))],
    },
  ],
  { url: small.url, headers },
)

it('13.9 a plain message of one byte more, on a connection that may compress', async () => {
  using client = await RawClient.connect(small.url, '/echo', headers)
  for (let count = 0; count < 2; count++) client.send(someBytes(10_001), { opcode: Opcode.binary })
  assert.equal(await client.closeCode(), 1009)
  client.write(closing(1009))
  await client.ended()
  assert.deepEqual(client.frames.map(describeFrame), [close(1009)])
})
