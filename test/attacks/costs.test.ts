import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { acceptableDeflate, parseExtensions } from '../../src/admission/extensions.ts'
import { flawOf } from '../../src/admission/upgrade-check.ts'
import { bytesOfBase64, toBase64 } from '../../src/envelope/base64.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import { jsonCodec } from '../../src/envelope/json-codec.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { parseExcept, parseTarget } from '../../src/envelope/target.ts'
import { TlvWriter } from '../../src/envelope/tlv.ts'
import { JsonSource, json, parsePushBody, raw, token } from '../../src/index.ts'
import { canonicalJson } from '../../src/lib/canonical-json.ts'
import { readOffer } from '../../src/middleware/bearer.ts'
import { Router } from '../../src/modules/router.ts'
import { parseBatch } from '../../src/standalone/http/api-input.ts'
import { checkPath } from '../../src/standalone/http/api-read.ts'
import { costOf } from '../support/cost.ts'

/**
 * Even input that is expensive to read for its size takes at most this many times as long as a plain JSON.parse. Most
 * input takes less time than JSON.parse does.
 */
const MOST = 8
/** A quarter of the largest message, so that the tests end sooner. The ratio is the same. */
const SIZE = 262_144
const HEADER = 16_000

type Inputs = Readonly<Record<string, string>>

/** Repeats one piece up to a size. */
function many(piece: string, before = '', after = '', size = SIZE): string {
  return before + piece.repeat(Math.floor((size - before.length - after.length) / piece.length)) + after
}

const numbersOf = (size: number): string => many('0,', '[', '0]', size)
const objectsOf = (size: number): string => many('{},', '[', '0]', size)

/** Whether the call refuses its input or takes it, only its duration counts. */
function attempt(call: () => unknown): void {
  try {
    call()
  } catch {}
}

function assertCheap(call: () => unknown, control: string, times = 1): void {
  const cost = costOf(
    () => repeat(times, () => attempt(call)),
    () => repeat(times, () => JSON.parse(control)),
  )
  assert.ok(cost <= MOST, `${cost.toFixed(1)} times JSON.parse`)
}

function repeat(times: number, call: () => unknown): void {
  for (let count = 0; count < times; count++) call()
}

const names = Array.from({ length: 15_000 }, (_, index) => `"k${index}":0`).join(',')

/** Each contains `__proto__`, which makes the parser of commands look closer. */
const messages: Inputs = {
  numbers: many('0,', '{"data":[', '0],"cmd":"__proto__"}'),
  'empty strings': many('"",', '{"data":[', '0],"cmd":"__proto__"}'),
  'empty objects': many('{},', '{"data":[', '0],"cmd":"__proto__"}'),
  'empty arrays': many('[],', '{"data":[', '0],"cmd":"__proto__"}'),
  'a long string': many('x', '{"data":"', '","cmd":"__proto__"}'),
  escapes: many('\\"', '{"data":"', '","cmd":"__proto__"}'),
  'many names': `{"data":{${names}},"cmd":"__proto__"}`,
  'the key in many objects': many('{"__proto__":0},', '{"data":[', '0],"cmd":"x"}'),
  'the key among others': many('{"a":1,"b":2,"__proto__":0},', '{"data":[', '0],"cmd":"x"}'),
  'the key again and again': many('"__proto__":0,', '{"data":{', '"a":0},"cmd":"x"}'),
  'the key inside itself': `{"cmd":"x","data":${'{"__proto__":'.repeat(17_000)}0${'}'.repeat(17_000)}}`,
  nesting: `{"cmd":"__proto__","data":${'['.repeat(SIZE / 2)}${']'.repeat(SIZE / 2)}}`,
}

for (const [name, text] of Object.entries(messages))
  test(`reading a large command takes at most a few times as long as JSON.parse: ${name}`, () =>
    assertCheap(() => json.decode(text), text))

for (const [name, text] of Object.entries({ colons: many(':'), 'wide letters': many('ж', '', '', SIZE / 2) })) {
  test(`reading a large command takes at most a few times as long as JSON.parse: ${name}, in every parser`, () => {
    const bytes = Buffer.from(text)
    for (const parser of [json, token, raw]) assertCheap(() => parser.decode(bytes), numbersOf(SIZE))
  })
}

test('reading a large command takes at most a few times as long as JSON.parse: cut short', () => {
  const text = many('0,', '{"cmd":"__proto__","data":[')
  assertCheap(() => json.decode(text), numbersOf(text.length))
})

test('reading a large command takes at most a few times as long as JSON.parse: invalid UTF-8 at the very end', () => {
  const bytes = Buffer.concat([Buffer.from(many('ж', '', '', SIZE / 2)), Buffer.of(0xff)])
  for (const parser of [json, token]) assertCheap(() => parser.decode(bytes), numbersOf(SIZE))
})

const bodies: Inputs = {
  numbers: many('0,', '{"uid":"u","message":[', '0]}'),
  spaces: many(' ', '{"uid":"u","message":[', '0]}'),
  'a long number': many('0', '{"uid":"u","message":1', '}'),
  'a long string': many('x', '{"uid":"u","message":["', '"]}'),
  escapes: many('\\"', '{"uid":"u","message":["', '"]}'),
  'many messages': many('"message":0,', '{', '"uid":"u"}'),
  'many messages with an escape': many('"m\\u0065ssage":0,', '{', '"uid":"u"}'),
  'many uids': many('"u",', '{"message":0,"uid":[', '"u"]}'),
  'a long uid': many('u', '{"message":0,"uid":"', '"}'),
  'many exceptions': many('"u",', '{"message":0,"all":true,"except":{"uid":[', '"u"]}}'),
  bytes: many('A', '{"uid":"u","binary":"', '"}'),
  'bytes that end badly': many('A', '{"uid":"u","binary":"', '!"}'),
  'padding of bytes': many('=', '{"uid":"u","binary":"', '"}'),
}

function readPush(body: JsonSource): void {
  const { target, message, options } = parsePushBody(body)
  parseTarget(target)
  parseExcept(options.except)
  encodePayload(message)
}

for (const [name, text] of Object.entries(bodies)) {
  test(`reading a large push takes at most a few times as long as JSON.parse: ${name}`, () =>
    assertCheap(() => readPush(JsonSource.parse(text)), numbersOf(text.length)))
}

test('reading a large push takes at most a few times as long as JSON.parse: unknown fields, and the error names a few of them', () => {
  const text = `{${names}}`
  assertCheap(() => readPush(JsonSource.parse(text)), text)
  const isShort = ({ message }: Error): boolean => message.startsWith('k0, k1, k2: ') && message.length < 200
  assert.throws(() => parsePushBody(JsonSource.parse(text)), isShort)
  assert.throws(() => parseBatch(JsonSource.parse(`{"pushes":[],${names}}`)), isShort)
})

for (const [name, text] of Object.entries({
  numbers: many('0,', '{"pushes":[', '0]}'),
  spaces: many(' ', '{"pushes":[', '0]}'),
  'one large push': `{"pushes":[${many('0,', '{"uid":"u","message":[', '0]}')}]}`,
})) {
  test(`reading a large push takes at most a few times as long as JSON.parse: as a batch of ${name}`, () =>
    assertCheap(() => parseBatch(JsonSource.parse(text)).forEach(readPush), numbersOf(text.length)))
}

for (const [name, text] of Object.entries({
  numbers: many('0,', '[', '0]'),
  decimals: many('1.0,', '[', '0]'),
  zeroes: many('0.0,', '[', '0]'),
  'long decimals': many('1000000000000000.0,', '[', '0]'),
  'a long decimal': many('0', '0.', '1'),
  escapes: many('"\\n",', '[', '0]'),
  spaces: many(' 0,', '[', '0]'),
  nesting: '['.repeat(SIZE / 2) + ']'.repeat(SIZE / 2),
})) {
  test(`reading a large push takes at most a few times as long as JSON.parse: with an id, of ${name}`, () =>
    assertCheap(() => Buffer.from(canonicalJson(text)), numbersOf(text.length)))
}

/** A batch with one push to everyone, and further fields. */
function batchWith(write: (writer: TlvWriter) => void): Uint8Array {
  const writer = new TlvWriter()
  writer.raw(Uint8Array.of(0xf1, 0x07, 1))
  const batch = writer.beginSized(SIZE)
  writer.text(1, 'p')
  writer.number(2, 1)
  write(writer)
  writer.end(batch)
  return writer.finish()
}

function within(writer: TlvWriter, tag: number, write: () => void): void {
  const at = writer.begin(tag, SIZE)
  write()
  writer.end(at)
}

const pushTo = (type: number, address: (writer: TlvWriter) => void, more: (writer: TlvWriter) => void = () => {}) =>
  batchWith((writer) =>
    within(writer, 3, () => {
      writer.number(1, 1)
      writer.text(2, 'i')
      within(writer, 3, () => {
        writer.number(1, type)
        address(writer)
      })
      writer.text(4, '')
      more(writer)
    }),
  )

const exceptMany = (name: string): Uint8Array => {
  const size = Buffer.byteLength(name) + 2
  return pushTo(
    4,
    () => {},
    (writer) => within(writer, 6, () => repeat(SIZE / size, () => writer.text(1, name))),
  )
}

const entries: Readonly<Record<string, Uint8Array>> = {
  users: pushTo(1, (writer) => repeat(SIZE / 4, () => writer.numberedText(2, 1, 'u'))),
  connections: pushTo(3, (writer) => repeat(SIZE / 3, () => writer.text(3, 'c'))),
  'empty names': exceptMany(''),
  'short names': exceptMany('abc'),
  'longer names': exceptMany('abcdefghij'),
  'wide letters': exceptMany('ж'),
  replies: batchWith((writer) =>
    repeat(SIZE / 15, () =>
      within(writer, 3, () => {
        writer.number(1, 3)
        writer.text(12, 'n')
        writer.number(11, 1)
        writer.number(13, 1)
      }),
    ),
  ),
  'fields of later versions': batchWith((writer) => repeat(SIZE / 2, () => writer.text(90, ''))),
}

for (const [name, bytes] of Object.entries(entries)) {
  test(`a large entry takes at most a few times as long as JSON of that size: ${name}, in each codec, to read and to write`, () => {
    const batch = binaryCodec.decode(bytes)
    for (const codec of [binaryCodec, jsonCodec]) {
      const encoded = codec.encode(batch)
      const control = objectsOf(Math.max(encoded.length, bytes.length))
      assertCheap(() => codec.decode(encoded), control)
      assertCheap(() => codec.encode(batch), control)
    }
  })
}

test('a large entry takes at most a few times as long as JSON of that size: bytes in base64', () => {
  const text = toBase64(new Uint8Array(SIZE))
  assertCheap(() => bytesOfBase64(text), numbersOf(SIZE))
  assertCheap(() => toBase64(new Uint8Array(SIZE)), numbersOf(SIZE))
})

function handshake(headers: Record<string, string>): IncomingMessage {
  const usual = {
    host: 'h',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': `${'A'.repeat(22)}==`,
  }
  const request = { method: 'GET', httpVersion: '1.1', headers: { ...usual, ...headers }, rawHeaders: ['host', 'h'] }
  return request as unknown as IncomingMessage
}

const offers: Inputs = {
  names: many('a,', '', 'a', HEADER),
  parameters: many(';b', 'a', '', HEADER),
  values: many(';b = c', 'a', '', HEADER),
  spaces: many(' ', 'a;b', '=', HEADER),
  'spaces that end badly': many(' ;b ', 'a', '@', HEADER),
  quotes: many(';b="\\a\\b"', 'a', '"', HEADER),
  'offers that suit nobody': many('permessage-deflate;client_max_window_bits=99,', '', 'x', HEADER),
  commas: many(',', '', '', HEADER),
}

const times = 16
const control = objectsOf(HEADER)

for (const [name, offer] of Object.entries(offers)) {
  test(`a handshake with 16 KiB of headers takes at most a few times as long as JSON of that size: with extensions: ${name}`, () => {
    assertCheap(() => parseExtensions(offer), control, times)
    assertCheap(() => acceptableDeflate(offer), control, times)
  })
}

test('a handshake with 16 KiB of headers takes at most a few times as long as JSON of that size: with subprotocols, a host or a key', () => {
  const protocols = Array.from({ length: 4_000 }, (_, index) => index.toString(36)).join(',')
  const inputs: Record<string, string>[] = [
    { 'sec-websocket-protocol': protocols },
    { 'sec-websocket-protocol': many(',', '', '', HEADER) },
    { host: many('1', 'a:', '#', HEADER) },
    { 'sec-websocket-key': many('A', '', '', HEADER) },
  ]
  for (const headers of inputs) assertCheap(() => flawOf(handshake(headers)), control, times)
})

test('a handshake with 16 KiB of headers takes at most a few times as long as JSON of that size: with a token, or what looks like one', () => {
  const request = new Request(`http://h/?${many('a&', '', 'b', HEADER)}`, {
    headers: {
      authorization: many(' ', 'bearer', 'x', HEADER),
      'sec-websocket-protocol': many('a,', '', 'a', HEADER),
    },
  })
  assertCheap(() => readOffer(request), control, times)
})

test('a handshake with 16 KiB of headers takes at most a few times as long as JSON of that size: with a path', () => {
  const router = new Router<number>()
  router.add('/a/:b/:c', 1)
  for (const path of [many('%61', '/', '', HEADER), many('%6', '/', '', HEADER), many('/', '', '', HEADER)]) {
    assertCheap(() => router.match(path), control, times)
    assertCheap(() => checkPath(path), control, times)
  }
})
