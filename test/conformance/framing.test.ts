// RFC 6455 §5.2, §5.3, §5.6: the base framing, masking and data frames.
import { rawFrame } from '../support/raw-frame.ts'
import { conformance, type Case, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, text } from './transcript.ts'

const { url } = await startEcho()

/** Sizes on both sides of every border between the three encodings of the length. */
const SIZES = [0, 1, 125, 126, 127, 128, 65_535, 65_536]

conformance(
  '1.1 text messages',
  SIZES.map((size): Case => {
    const message = 'Aé€🚢'.repeat(size).slice(0, size)
    return { name: `1.1 text of ${size} characters`, send: [rawFrame(message)], expect: [text(message)] }
  }),
  { url },
)

conformance(
  '1.2 binary messages',
  SIZES.map((size): Case => {
    const message = someBytes(size)
    return { name: `1.2 binary of ${size} bytes`, send: [rawFrame(message, { opcode: 2 })], expect: [binary(message)] }
  }),
  { url },
)

conformance(
  '1.3 masking',
  [
    ...[1, 2, 3, 4, 5, 7, 8, 9, 1_023].map((size): Case => {
      const message = someBytes(size)
      return {
        name: `1.3 ${size} bytes, which need not be a multiple of the mask`,
        send: [rawFrame(message, { opcode: 2, mask: Buffer.from([0xff, 1, 0x80, 0x7f]) })],
        expect: [binary(message)],
      }
    }),
    {
      name: '1.3 a mask of zeros',
      send: [rawFrame('plain to see', { mask: Buffer.alloc(4) })],
      expect: [text('plain to see')],
    },
    {
      name: '1.3 a mask of its own for each frame',
      send: [0, 1, 2, 3].map((seed) => rawFrame(`message ${seed}`, { mask: someBytes(seed + 4).subarray(seed) })),
      expect: [0, 1, 2, 3].map((seed) => text(`message ${seed}`)),
    },
    { name: '1.3 a text that is not masked', send: [rawFrame('bare', { mask: false })], expect: [close(1002)] },
    { name: '1.3 an empty text that is not masked', send: [rawFrame('', { mask: false })], expect: [close(1002)] },
    {
      name: '1.3 a ping that is not masked',
      send: [rawFrame('', { opcode: 9, mask: false })],
      expect: [close(1002)],
    },
    {
      name: '1.3 a close frame that is not masked',
      send: [rawFrame('', { opcode: 8, mask: false })],
      expect: [close(1002)],
    },
    {
      name: '1.3 a second frame that is not masked',
      send: [rawFrame('masked'), rawFrame('bare', { mask: false }), rawFrame('masked')],
      expect: [text('masked'), close(1002)],
    },
    {
      name: '1.3 a second fragment that is not masked',
      send: [rawFrame('a', { fin: false }), rawFrame('b', { opcode: 0, mask: false })],
      expect: [close(1002)],
    },
  ],
  { url },
)

/** A header alone: the payload that it announces never comes. */
const announce = (length: bigint): Buffer => {
  const header = Buffer.alloc(14)
  header.set([0x82, 0xff])
  header.writeBigUInt64BE(length, 2)
  return header
}

conformance(
  '1.4 lengths',
  [
    // §5.2 tells the sender to use the fewest bytes, but does not oblige a receiver to refuse more.
    {
      name: '1.4 5 bytes with their length in 2 bytes',
      send: [rawFrame('12345', { lengthBytes: 2 })],
      expect: [text('12345')],
    },
    {
      name: '1.4 5 bytes with their length in 8 bytes',
      send: [rawFrame('12345', { lengthBytes: 8 })],
      expect: [text('12345')],
    },
    {
      name: '1.4 300 bytes with their length in 8 bytes',
      send: [rawFrame(someBytes(300), { opcode: 2, lengthBytes: 8 })],
      expect: [binary(someBytes(300))],
    },
    {
      name: '1.4 a ping with its length in 2 bytes (§5.5: control frames have at most 125 bytes)',
      send: [rawFrame('12345', { opcode: 9, lengthBytes: 2 })],
      expect: [close(1002)],
    },
    {
      name: '1.4 a ping with its length in 8 bytes',
      send: [rawFrame('12345', { opcode: 9, lengthBytes: 8 })],
      expect: [close(1002)],
    },
    { name: '1.4 a length with the top bit set', send: [announce(1n << 63n)], expect: [close(1009)] },
    { name: '1.4 a length of all ones', send: [announce((1n << 64n) - 1n)], expect: [close(1009)] },
    { name: '1.4 a length of 2^53', send: [announce(1n << 53n)], expect: [close(1009)] },
    { name: '1.4 a length of 2^32', send: [announce(1n << 32n)], expect: [close(1009)] },
  ],
  { url },
)
