import type { PayloadKind } from '../envelope/payload.ts'

interface Frame {
  readonly bytes: Buffer
  /** Bytes before the content. */
  readonly headerLength: number
}

const FIN = 0x80
/** The message is compressed (RFC 7692 §6). */
const RSV1 = 0x40
const TEXT = 0x1
const BINARY = 0x2

/** A complete data frame: unfragmented and unmasked, as a server sends it (RFC 6455 §5.2). */
export function buildFrame(kind: PayloadKind, data: string | Uint8Array, isDeflated: boolean): Frame {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const headerLength = headerLengthFor(length)
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = FIN | (isDeflated ? RSV1 : 0) | (kind === 'bytes' ? BINARY : TEXT)
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
  return { bytes: frame, headerLength }
}

function headerLengthFor(length: number): number {
  if (length < 126) return 2
  return length < 65_536 ? 4 : 10
}
