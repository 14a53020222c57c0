// RFC 6455 §5.4: fragmentation.
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { type Case, CLOSE, conformance, fragments, ping, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { binary, close, pong, text } from './transcript.ts'

const { url } = await startEcho()

const first = (data: string, opcode: number = Opcode.text): Buffer => rawFrame(data, { opcode, fin: false })
const middle = (data: string): Buffer => rawFrame(data, { opcode: Opcode.continuation, fin: false })
const last = (data: string): Buffer => rawFrame(data, { opcode: Opcode.continuation })

const whole: Case[] = [
  { name: '5.1 a text in two fragments', send: [first('frag'), last('ment')], expect: [text('fragment')] },
  {
    name: '5.1 bytes in two fragments',
    send: fragments([someBytes(100), someBytes(200)], Opcode.binary),
    expect: [binary(Buffer.concat([someBytes(100), someBytes(200)]))],
  },
  {
    name: '5.1 a text in five fragments',
    send: [first('1'), middle('2'), middle('3'), middle('4'), last('5')],
    expect: [text('12345')],
  },
  { name: '5.1 an empty first fragment', send: [first(''), last('ment')], expect: [text('ment')] },
  { name: '5.1 an empty last fragment', send: [first('frag'), last('')], expect: [text('frag')] },
  {
    name: '5.1 an empty fragment between',
    send: [first('frag'), middle(''), last('ment')],
    expect: [text('fragment')],
  },
  { name: '5.1 nothing in three fragments', send: [first(''), middle(''), last('')], expect: [text('')] },
  {
    name: '5.1 nothing in three fragments, as bytes',
    send: fragments(['', '', ''], Opcode.binary),
    expect: [binary(Buffer.alloc(0))],
  },
  {
    name: '5.1 two messages in fragments, one after another',
    send: [first('a'), last('b'), first('c', Opcode.binary), last('d')],
    expect: [text('ab'), binary(Buffer.from('cd'))],
  },
  {
    name: '5.1 a thousand fragments of one byte',
    send: fragments(Array.from({ length: 1_000 }, (_, index) => String(index % 10))),
    expect: [text('0123456789'.repeat(100))],
  },
  {
    name: '5.1 a thousand empty fragments',
    send: fragments(Array.from({ length: 1_000 }, () => '')),
    expect: [text('')],
  },
  {
    name: '5.1 a character cut in two',
    send: fragments([Buffer.from('€').subarray(0, 1), Buffer.from('€').subarray(1)]),
    expect: [text('€')],
  },
]

const between: Case[] = [
  {
    name: '5.2 a ping between two fragments',
    send: [first('frag'), ping('p'), last('ment')],
    expect: [pong('p'), text('fragment')],
  },
  {
    name: '5.2 a pong between two fragments',
    send: [first('frag'), rawFrame('p', { opcode: Opcode.pong }), last('ment')],
    expect: [text('fragment')],
  },
  {
    name: '5.2 pings between all of them',
    send: [first('1'), ping('a'), middle('2'), ping('b'), middle('3'), ping('c'), last('4')],
    expect: [pong('a'), pong('b'), pong('c'), text('1234')],
  },
  {
    name: '5.2 a close frame between two fragments',
    send: [first('frag'), CLOSE, last('ment')],
    expect: [close(1000)],
  },
  {
    name: '5.2 a message that never ends, then a close frame',
    send: [first('a'), middle('b'), CLOSE],
    expect: [close(1000)],
  },
]

const NOT_FINAL = { fin: false }
const wrong: Case[] = [
  { name: '5.3 a last fragment without a first', send: [last('lost')], expect: [close(1002)] },
  { name: '5.3 an empty last fragment without a first', send: [last('')], expect: [close(1002)] },
  { name: '5.3 a middle fragment without a first', send: [middle('lost'), last('')], expect: [close(1002)] },
  {
    name: '5.3 a fragment after the message has ended',
    send: [first('frag'), last('ment'), last('lost')],
    expect: [text('fragment'), close(1002)],
  },
  {
    name: '5.3 a fragment after a message of one frame',
    send: [rawFrame('whole'), middle('lost'), last('lost')],
    expect: [text('whole'), close(1002)],
  },
  { name: '5.4 a text within a text', send: [first('frag'), rawFrame('other'), last('ment')], expect: [close(1002)] },
  {
    name: '5.4 bytes within a text',
    send: [first('frag'), rawFrame('other', { opcode: Opcode.binary }), last('ment')],
    expect: [close(1002)],
  },
  {
    name: '5.4 a text within bytes',
    send: [first('frag', Opcode.binary), rawFrame('other'), last('ment')],
    expect: [close(1002)],
  },
  { name: '5.4 two first fragments', send: [first('frag'), first('frag'), last('ment')], expect: [close(1002)] },
  {
    name: '5.4 two first fragments after a valid message',
    send: [rawFrame('well'), first('frag'), first('frag')],
    expect: [text('well'), close(1002)],
  },
  ...(['close', 'ping', 'pong'] as const).flatMap((name): Case[] => [
    {
      name: `5.5 a ${name} frame that is not final`,
      send: [rawFrame('', { opcode: Opcode[name], ...NOT_FINAL })],
      expect: [close(1002)],
    },
    {
      name: `5.5 a ${name} frame that is not final, between two fragments`,
      send: [first('frag'), rawFrame('', { opcode: Opcode[name], ...NOT_FINAL }), last('ment')],
      expect: [close(1002)],
    },
  ]),
]

conformance('5.1 messages in fragments', whole, { url })
conformance('5.2 control frames between fragments', between, { url })
conformance('5.3 to 5.5 fragments out of place', wrong, { url })
