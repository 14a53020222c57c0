import { createHash } from 'node:crypto'
import { constants, inflateRawSync } from 'node:zlib'
import { Opcode, type RawFrame } from '../support/raw-frame.ts'

// Describes the frames of a server in words, so that a difference between two transcripts is easy to read.

export function text(data: string | Uint8Array): string {
  return `text ${shown(Buffer.from(data))}`
}

export function binary(data: Uint8Array): string {
  return `binary ${shown(Buffer.from(data))}`
}

export function pong(data: string | Uint8Array = ''): string {
  return `pong ${shown(Buffer.from(data))}`
}

/** Without a code, the close frame is empty. */
export function close(code?: number, reason = ''): string {
  return ['close', ...(code === undefined ? [] : [code]), ...(reason === '' ? [] : [JSON.stringify(reason)])].join(' ')
}

export function compressed(message: string): string {
  return `compressed ${message}`
}

export function describeFrame(frame: RawFrame): string {
  const oddities = [...(frame.isOdd ? ['odd'] : []), ...(frame.fin ? [] : ['unfinished'])]
  return [...oddities, frame.rsv1 ? compressed(describe(inflated(frame))) : describe(frame)].join(' ')
}

function describe({ opcode, payload }: RawFrame): string {
  switch (opcode) {
    case Opcode.text:
      return text(payload)
    case Opcode.binary:
      return binary(payload)
    case Opcode.close:
      return payload.length < 2 ? close() : close(payload.readUInt16BE(), payload.toString('utf8', 2))
    case Opcode.ping:
      return `ping ${shown(payload)}`
    case Opcode.pong:
      return pong(payload)
    default:
      return `opcode ${opcode} ${shown(payload)}`
  }
}

function inflated(frame: RawFrame): RawFrame {
  const tail = Buffer.from([0, 0, 0xff, 0xff])
  const payload = inflateRawSync(Buffer.concat([frame.payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH })
  return { ...frame, payload }
}

function shown(data: Buffer): string {
  if (data.length > 48) return `of ${data.length} bytes, ${createHash('sha1').update(data).digest('hex').slice(0, 8)}`
  const isPrintable = data.every((byte) => byte >= 0x20 && byte < 0x7f)
  return isPrintable ? JSON.stringify(data.toString()) : `0x${data.toString('hex')}`
}
