import { constants, deflateRawSync } from 'node:zlib'
import type { Payload } from '../protocol/payload.ts'

const FIN = 0x80
/** The message is compressed (RFC 7692 §6). */
const RSV1 = 0x40
const TEXT = 0x1
const BINARY = 0x2

/** One message as a complete WebSocket data frame: built once, shared by everyone who gets it. */
export class Frame {
  readonly bytes: Buffer
  /** Of messages with one key, the newest makes the older ones worthless. */
  readonly key: string | undefined
  #deflated: Frame | undefined

  constructor(payload: Payload, key?: string, rsv = 0) {
    this.bytes = build(payload, rsv)
    this.key = key
  }

  /**
   * The same message compressed, for clients that negotiated it; made once, whoever asks. It is the frame itself where
   * the payload has fewer bytes than the threshold, or would not shrink.
   */
  deflated(threshold: number): Frame {
    this.#deflated ??= this.#deflate(threshold)
    return this.#deflated
  }

  #deflate(threshold: number): Frame {
    const data = payloadOf(this.bytes)
    if (data.length < threshold) return this
    const binary = (this.bytes[0]! & BINARY) !== 0
    const deflated = new Frame({ binary, data: deflate(data) }, this.key, RSV1)
    return deflated.bytes.length < this.bytes.length ? deflated : this
  }
}

/** RFC 6455 §5.2: unfragmented and unmasked, as a server sends. */
function build({ binary, data }: Payload, rsv: number): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = FIN | rsv | (binary ? BINARY : TEXT)
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

function payloadOf(frame: Buffer): Buffer {
  const length = frame[1]!
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10)
}

/** Half of the time that zlib's default of 6 takes, for a tenth more bytes. */
const LEVEL = 3
/** `00 00 ff ff`, which a receiver puts back. */
const TAIL_LENGTH = 4

/** RFC 7692 §7.2.1, without context: whoever gets it may have missed everything before. */
function deflate(data: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(data, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH })
  return deflated.subarray(0, -TAIL_LENGTH)
}
