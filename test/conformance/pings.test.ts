// RFC 6455 §5.5.2, §5.5.3: pings and pongs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { conformance, fragments, ping, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { close, pong, text } from './transcript.ts'

const { url } = await startEcho()

const unsolicited = (data: string | Uint8Array = ''): Buffer => rawFrame(data, { opcode: Opcode.pong })
const ten = Array.from({ length: 10 }, (_, index) => `ping ${index}`)

conformance(
  '2 pings and pongs',
  [
    { name: '2.1 an empty ping', send: [ping()], expect: [pong()] },
    { name: '2.2 a ping with text', send: [ping('Hello')], expect: [pong('Hello')] },
    {
      name: '2.3 a ping with bytes that are not UTF-8',
      send: [ping(Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]))],
      expect: [pong(Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]))],
    },
    { name: '2.4 a ping of 125 bytes', send: [ping(someBytes(125))], expect: [pong(someBytes(125))] },
    { name: '2.5 a ping of 126 bytes', send: [ping(someBytes(126))], expect: [close(1002)] },
    { name: '2.5 a ping of 127 bytes', send: [ping(someBytes(127))], expect: [close(1002)] },
    { name: '2.5 a ping of 65536 bytes', send: [ping(someBytes(65_536))], expect: [close(1002)] },
    { name: '2.5 a pong of 126 bytes', send: [unsolicited(someBytes(126))], expect: [close(1002)] },
    { name: '2.6 an empty unsolicited pong', send: [unsolicited()], expect: [] },
    { name: '2.7 an unsolicited pong with text', send: [unsolicited('Hello')], expect: [] },
    { name: '2.7 an unsolicited pong of 125 bytes', send: [unsolicited(someBytes(125))], expect: [] },
    {
      name: '2.8 an unsolicited pong, then a ping',
      send: [unsolicited('unsolicited'), ping('Hello')],
      expect: [pong('Hello')],
    },
    { name: '2.9 ten pings', send: ten.map((data) => ping(data)), expect: ten.map((data) => pong(data)) },
    {
      name: '2.10 ten pings of 125 bytes',
      send: ten.map((_, index) => ping(someBytes(125).fill(index, 0, 1))),
      expect: ten.map((_, index) => pong(someBytes(125).fill(index, 0, 1))),
    },
    {
      name: '2.11 a ping between two fragments',
      send: [rawFrame('frag', { fin: false }), ping('now'), rawFrame('ment', { opcode: 0 })],
      expect: [pong('now'), text('fragment')],
    },
    {
      name: '2.12 a ping and a pong before each of ten fragments',
      send: fragments(ten).flatMap((fragment, index) => [ping(String(index)), unsolicited('x'), fragment]),
      expect: [...ten.map((_, index) => pong(String(index))), text(ten.join(''))],
    },
    {
      name: '2.13 a ping in two fragments',
      send: [rawFrame('a', { opcode: 9, fin: false }), rawFrame('b', { opcode: 0 })],
      expect: [close(1002)],
    },
  ],
  { url },
)

test('2.14 if one packet has four hundred pings, the newest is answered, and answers come in order', async () => {
  using client = await RawClient.connect(url, '/echo')
  const count = 400
  client.write(Buffer.concat(Array.from({ length: count }, (_, index) => ping(String(index)))))
  client.send('still here')
  const answered: number[] = []
  let echo: string | undefined
  while (answered.at(-1) !== count - 1 || echo === undefined) {
    const { opcode, payload } = await client.next()
    if (opcode === Opcode.pong) answered.push(Number(payload))
    else echo = payload.toString()
  }
  assert.equal(echo, 'still here')
  assert.deepEqual(
    answered.slice(0, 50),
    Array.from({ length: 50 }, (_, index) => index),
  )
  assert.deepEqual(
    answered,
    answered.toSorted((a, b) => a - b),
  )
})
