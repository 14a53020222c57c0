import type { Payload } from '../protocol/payload.ts'

const FIN = 0x80
const TEXT = 0x1
const BINARY = 0x2

/** One message as a complete WebSocket data frame: built once, shared by everyone who gets it. */
export class Frame {
  readonly bytes: Buffer
  /** Of messages with one key, the newest makes the older ones worthless. */
  readonly key: string | undefined

  constructor(payload: Payload, key?: string) {
    this.bytes = build(payload)
    this.key = key
  }
}

/** RFC 6455 §5.2: unfragmented and unmasked, as a server sends. */
function build({ binary, data }: Payload): Buffer {
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
