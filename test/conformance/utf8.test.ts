// RFC 6455 §8.1: a text must be UTF-8 (RFC 3629), or the connection fails with 1007.
import { rawFrame } from '../support/raw-frame.ts'
import { type Case, conformance, fragments } from './case.ts'
import { startEcho } from './echo.ts'
import { close, text } from './transcript.ts'

const { url } = await startEcho()

type Sample = readonly [name: string, bytes: Buffer]

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const octets = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.of(byte))

/** The same text whole, in fragments of one octet, and in two fragments that are cut at every place. */
function waysToSend(bytes: Buffer): [name: string, send: Buffer[]][] {
  const cuts = Array.from({ length: Math.max(bytes.length - 1, 0) }, (_, index) => index + 1)
  return [
    ['whole', [rawFrame(bytes)]],
    ...(bytes.length > 1 ? [['in fragments of one octet', fragments(octets(bytes))] as [string, Buffer[]]] : []),
    ...cuts.map((cut): [string, Buffer[]] => [
      `cut after octet ${cut}`,
      fragments([bytes.subarray(0, cut), bytes.subarray(cut)]),
    ]),
  ]
}

function valid(number: string, samples: readonly Sample[]): Case[] {
  return samples.flatMap(([name, bytes]) =>
    waysToSend(bytes).map(([way, send]) => ({ name: `${number} ${name}, ${way}`, send, expect: [text(bytes)] })),
  )
}

function invalid(number: string, samples: readonly Sample[]): Case[] {
  return samples.flatMap(([name, bytes]) =>
    waysToSend(bytes).map(([way, send]) => ({ name: `${number} ${name}, ${way}`, send, expect: [close(1007)] })),
  )
}

const characters = (...codePoints: number[]): Sample[] =>
  codePoints.map((codePoint) => [
    `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`,
    Buffer.from(String.fromCodePoint(codePoint)),
  ])

/** A surrogate as UTF-8 would encode it if that were allowed. */
const surrogate = (codePoint: number): Sample => [
  `U+${codePoint.toString(16).toUpperCase()}`,
  Buffer.of(0xed, 0x80 | ((codePoint >> 6) & 0x3f), 0x80 | (codePoint & 0x3f)),
]

const alsoBetweenLetters = (samples: readonly Sample[]): Sample[] => [
  ...samples,
  ...samples.map(([name, bytes]): Sample => [`${name} between letters`, Buffer.concat([hex('61'), bytes, hex('62')])]),
]

const options = { url, deliveries: ['in one write', 'chopped'] } as const

conformance(
  '6.1 texts that are UTF-8',
  valid('6.1', [
    ['nothing', Buffer.alloc(0)],
    ['ASCII', Buffer.from('Hello')],
    ['Greek with accents', Buffer.from('κόσμε')],
    ['many scripts', Buffer.from('µ@ßöäüàá한字🚢')],
    ['a family of joined characters', Buffer.from('👩‍👩‍👧')],
    ['a byte order mark, which is kept', Buffer.from('\uFEFFx')],
    ['a zero', Buffer.of(0)],
    ['combining marks, which are not composed', Buffer.from('e\u0301')],
  ]),
  options,
)

conformance(
  '6.2 the first and the last character of each length',
  valid('6.2', characters(0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff)),
  options,
)

conformance(
  '6.3 characters around the surrogates, and non-characters, which are valid',
  valid(
    '6.3',
    characters(0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xfdd0, 0xfdef, 0x1fffe, 0x1ffff, 0x2fffe, 0x8ffff, 0xffffe, 0x10fffe),
  ),
  options,
)

// `ws` checks a message once it is complete. §8.1 sets no time, so 1007 may wait for the end of the message.
conformance(
  '6.4 fail fast on invalid UTF-8: 1007 at the latest when the message ends',
  [
    ['octet by octet', fragments(octets(hex('ceba e1bdb9 cf83 cebc ceb5 f4908080 656469746564')))],
    ['in the first of two fragments', fragments([hex('ceba f4908080'), 'edited'])],
    ['in the second of three fragments', fragments(['a', hex('f4908080'), 'b'])],
    ['in an unfinished character at the end of the last fragment', fragments(['a', hex('f0 9f 9a')])],
    ['before a fragment that would have been valid', fragments([hex('ff'), 'well'])],
  ].map(([name, send]): Case => ({ name: `6.4 ${name as string}`, send: send as Buffer[], expect: [close(1007)] })),
  { url },
)

conformance(
  '6.5 octets that never occur in UTF-8',
  invalid(
    '6.5',
    alsoBetweenLetters([
      ['C0', hex('c0')],
      ['C1', hex('c1')],
      ['F5', hex('f5')],
      ['F8', hex('f8')],
      ['FE', hex('fe')],
      ['FF', hex('ff')],
      ['FE FE FF FF', hex('fefeffff')],
    ]),
  ),
  options,
)

conformance(
  '6.6 characters that are cut short',
  invalid(
    '6.6',
    alsoBetweenLetters([
      ['one of two octets', hex('ce')],
      ['one of three octets', hex('e2')],
      ['two of three octets', hex('e2 82')],
      ['one of four octets', hex('f0')],
      ['two of four octets', hex('f0 9f')],
      ['three of four octets', hex('f0 9f 9a')],
      ['one after another', hex('ce e2 82 f0 9f 9a')],
    ]),
  ),
  options,
)

conformance(
  '6.7 continuation octets without a start',
  invalid(
    '6.7',
    alsoBetweenLetters([
      ['80', hex('80')],
      ['BF', hex('bf')],
      ['two', hex('80 bf')],
      ['seven', hex('80 bf 80 bf 80 bf 80')],
      ['one too many after a character', hex('c3 a9 a9')],
    ]),
  ),
  options,
)

conformance(
  '6.8 overlong forms',
  invalid('6.8', [
    ['a slash in two octets', hex('c0 af')],
    ['a slash in three octets', hex('e0 80 af')],
    ['a slash in four octets', hex('f0 80 80 af')],
    ['a slash in five octets', hex('f8 80 80 80 af')],
    ['a slash in six octets', hex('fc 80 80 80 80 af')],
    ['a zero in two octets', hex('c0 80')],
    ['a zero in three octets', hex('e0 80 80')],
    ['the last of two octets in three', hex('e0 9f bf')],
    ['the last of three octets in four', hex('f0 8f bf bf')],
    ['the last of one octet in two', hex('c1 bf')],
  ]),
  options,
)

conformance(
  '6.9 surrogates',
  invalid('6.9', [
    ...[0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff].map(surrogate),
    ['a pair of them', hex('ed a0 80 ed b0 80')],
    ['another pair', hex('ed af bf ed bf bf')],
  ]),
  options,
)

conformance(
  '6.10 beyond U+10FFFF',
  invalid('6.10', [
    ['U+110000', hex('f4 90 80 80')],
    ['U+13FFFF', hex('f4 bf bf bf')],
    ['U+140000', hex('f5 80 80 80')],
    ['U+1FFFFF', hex('f7 bf bf bf')],
    ['five octets', hex('f8 88 80 80 80')],
    ['the last of five octets', hex('fb bf bf bf bf')],
    ['six octets', hex('fc 84 80 80 80 80')],
    ['the last of six octets', hex('fd bf bf bf bf bf')],
  ]),
  options,
)

conformance(
  '6.11 only texts need to be UTF-8',
  [
    { name: '6.11 bytes', send: [rawFrame(hex('c0af ff'), { opcode: 2 })], expect: ['binary 0xc0afff'] },
    {
      name: '6.11 a valid text, then an invalid one',
      send: [rawFrame('well'), rawFrame(hex('ff')), rawFrame('never seen')],
      expect: [text('well'), close(1007)],
    },
  ],
  { url },
)
