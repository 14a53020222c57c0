// RFC 6455 §5.5.1, §7: close frames and the closing handshake.
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { type Case, CLOSE, closing, conformance, ping, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, pong, text } from './transcript.ts'

const { url } = await startEcho()

const closeFrame = (payload: string | Uint8Array): Buffer => rawFrame(payload, { opcode: Opcode.close })
const ten = Array.from({ length: 10 }, (_, index) => `message ${index}`)

conformance(
  '7.1 frames before and after a close frame',
  [
    {
      name: '7.1 a message right before a close frame is answered first',
      send: [rawFrame('Hello'), CLOSE],
      expect: [text('Hello'), close(1000)],
    },
    {
      name: '7.1 ten messages right before a close frame are answered first, in order',
      send: [...ten.map((message) => rawFrame(message)), CLOSE],
      expect: [...ten.map((message) => text(message)), close(1000)],
    },
    {
      name: '7.1 256 KiB right before a close frame come back first',
      send: [rawFrame(someBytes(2 ** 18), { opcode: Opcode.binary }), CLOSE],
      expect: [binary(someBytes(2 ** 18)), close(1000)],
    },
    {
      name: '7.1 a ping right before a close frame is answered first',
      send: [ping('p'), CLOSE],
      expect: [pong('p'), close(1000)],
    },
    { name: '7.1 a second close frame is not answered', send: [CLOSE, closing(1001)], expect: [close(1000)] },
    {
      name: '7.1 a message after a close frame is not answered',
      send: [CLOSE, rawFrame('late')],
      expect: [close(1000)],
    },
    { name: '7.1 a ping after a close frame is not answered', send: [CLOSE, ping('late')], expect: [close(1000)] },
    {
      name: '7.1 a protocol error after a close frame is not answered',
      send: [CLOSE, rawFrame('late', { rsv2: true }), rawFrame('late', { mask: false })],
      expect: [close(1000)],
    },
    {
      name: '7.1 a message before a close frame and one after it',
      send: [rawFrame('in time'), CLOSE, rawFrame('late')],
      expect: [text('in time'), close(1000)],
    },
    {
      name: '7.1 a mebibyte after a close frame',
      send: [CLOSE, rawFrame(someBytes(2 ** 20), { opcode: Opcode.binary })],
      expect: [close(1000)],
    },
    {
      name: '7.1 after a failure there is no second close frame',
      send: [rawFrame('', { opcode: 3 }), CLOSE],
      expect: [close(1002)],
    },
  ],
  { url },
)

conformance(
  '7.3 the payload of a close frame',
  [
    { name: '7.3 nothing', send: [closeFrame('')], expect: [close()] },
    { name: '7.3 one byte', send: [closeFrame(Buffer.of(3))], expect: [close(1002)] },
    { name: '7.3 a code', send: [closing(1000)], expect: [close(1000)] },
    { name: '7.3 a code and a reason', send: [closing(1000, 'Bye')], expect: [close(1000, 'Bye')] },
    {
      name: '7.3 a reason of 123 bytes',
      send: [closing(1000, 'x'.repeat(123))],
      expect: [close(1000, 'x'.repeat(123))],
    },
    { name: '7.3 a reason of 124 bytes', send: [closing(1000, 'x'.repeat(124))], expect: [close(1002)] },
    { name: '7.3 a reason of 65536 bytes', send: [closing(1000, 'x'.repeat(65_536))], expect: [close(1002)] },
    {
      name: '7.3 a reason of 123 bytes in other scripts',
      send: [closing(1000, '字'.repeat(41))],
      expect: [close(1000, '字'.repeat(41))],
    },
  ],
  { url },
)

const badReasons: readonly [name: string, reason: Buffer][] = [
  ['with FF', Buffer.of(0xff)],
  ['with a lone continuation octet', Buffer.from('ok\x80', 'latin1')],
  ['with a surrogate', Buffer.from('ceba e1bdb9 eda080 656469746564'.replaceAll(' ', ''), 'hex')],
  ['with an overlong slash', Buffer.of(0xc0, 0xaf)],
  ['beyond U+10FFFF', Buffer.of(0xf4, 0x90, 0x80, 0x80)],
  ['cut short', Buffer.from('€').subarray(0, 2)],
]

conformance(
  '7.5 reasons that are not UTF-8',
  badReasons.map(([name, reason]): Case => ({
    name: `7.5 a reason ${name}`,
    send: [closing(1000, reason)],
    expect: [close(1007)],
  })),
  { url },
)

/**
 * The codes of §7.4.1, those that the IANA registry has added since (1012 to 1014), and the ranges for libraries and
 * applications.
 */
const VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
/** 1004 is reserved. 1005, 1006 and 1015 must never be sent. */
const INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535]

conformance(
  '7.7 close codes that may be sent',
  VALID_CODES.flatMap((code): Case[] => [
    { name: `7.7 ${code}`, send: [closing(code)], expect: [close(code)] },
    { name: `7.7 ${code} with a reason`, send: [closing(code, 'why')], expect: [close(code, 'why')] },
  ]),
  { url },
)

conformance(
  '7.9 close codes that must not be sent',
  INVALID_CODES.flatMap((code): Case[] => [
    { name: `7.9 ${code}`, send: [closing(code)], expect: [close(1002)] },
    { name: `7.9 ${code} with a reason`, send: [closing(code, 'why')], expect: [close(1002)] },
  ]),
  { url },
)
