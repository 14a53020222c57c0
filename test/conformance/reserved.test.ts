// RFC 6455 §5.2: reserved bits and reserved opcodes.
import { Opcode, rawFrame, type RawFrameInit } from '../support/raw-frame.ts'
import { type Case, conformance, ping, someBytes } from './case.ts'
import { startEcho } from './echo.ts'
import { close, text } from './transcript.ts'

const { url } = await startEcho({ compression: true })

type Bits = Pick<RawFrameInit, 'rsv1' | 'rsv2' | 'rsv3'>
const [rsv1, rsv2, rsv3] = [{ rsv1: true }, { rsv2: true }, { rsv3: true }]

/** Frames that must fail with 1002, alone and between valid messages. */
function refusals(number: string, name: string, frame: Buffer): Case[] {
  return [
    { name: `${number} ${name}`, send: [frame], expect: [close(1002)] },
    {
      name: `${number} ${name} between a text and a ping`,
      send: [rawFrame('Hello, world!'), frame, ping()],
      expect: [text('Hello, world!'), close(1002)],
    },
    {
      name: `${number} ${name} between two fragments`,
      send: [rawFrame('frag', { fin: false }), frame, rawFrame('ment', { opcode: Opcode.continuation })],
      expect: [close(1002)],
    },
  ]
}

function reservedBits(number: string, combinations: readonly Bits[]): Case[] {
  return combinations.flatMap((bits) => {
    const names = Object.keys(bits).join(' and ').toUpperCase()
    return [
      ...refusals(number, `${names} on a text`, rawFrame('Hello', bits)),
      ...refusals(number, `${names} on bytes`, rawFrame(someBytes(8), { ...bits, opcode: Opcode.binary })),
      ...refusals(number, `${names} on a ping`, rawFrame('Hello', { ...bits, opcode: Opcode.ping })),
      ...refusals(number, `${names} on a pong`, rawFrame('Hello', { ...bits, opcode: Opcode.pong })),
      ...refusals(number, `${names} on a close frame`, rawFrame('', { ...bits, opcode: Opcode.close })),
      {
        name: `${number} ${names} on a continuation frame`,
        send: [rawFrame('frag', { fin: false }), rawFrame('ment', { ...bits, opcode: Opcode.continuation })],
        expect: [close(1002)],
      },
    ]
  })
}

const withoutRsv1 = [rsv2, rsv3, { ...rsv2, ...rsv3 }]
const combinations = [rsv1, ...withoutRsv1, { ...rsv1, ...rsv2 }, { ...rsv1, ...rsv3 }, { ...rsv1, ...rsv2, ...rsv3 }]

conformance('3.1 reserved bits without an agreed extension', reservedBits('3.1', combinations), { url })

conformance('3.2 reserved bits with agreed compression', reservedBits('3.2', withoutRsv1), {
  url,
  headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
})

function reservedOpcodes(number: string, opcodes: readonly number[]): Case[] {
  return opcodes.flatMap((opcode) => [
    ...refusals(number, `opcode ${opcode}, empty`, rawFrame('', { opcode })),
    ...refusals(number, `opcode ${opcode} with a payload`, rawFrame('reserved', { opcode })),
    ...refusals(number, `opcode ${opcode} in a fragment`, rawFrame('reserved', { opcode, fin: false })),
  ])
}

conformance('4.1 reserved opcodes of data frames', reservedOpcodes('4.1', [3, 4, 5, 6, 7]), { url })
conformance('4.2 reserved opcodes of control frames', reservedOpcodes('4.2', [11, 12, 13, 14, 15]), { url })
