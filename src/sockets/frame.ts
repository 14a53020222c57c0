import type { Payload } from '../protocol/payload.ts'

/** One complete WebSocket data frame, ready to be written, shared by everyone who gets it. */
export type Frame = Buffer

const FIN = 0x80
const TEXT = 0x1
const BINARY = 0x2

/** RFC 6455 §5.2: unfragmented and unmasked, as a server sends. */
export function buildFrame({ binary, data }: Payload): Frame {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = FIN | (binary ? BINARY : TEXT)
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  if (typeof data === 'string') frame.write(data, headerLength)
  else frame.set(data, headerLength)
  return frame
}
