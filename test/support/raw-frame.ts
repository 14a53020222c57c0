/** The opcodes in the first byte of a frame (RFC 6455 §5.2). */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame as it arrived over the wire. */
export interface RawFrame {
  readonly fin: boolean
  readonly rsv1: boolean
  /** Whether RSV2 or RSV3, which have no use, or the mask bit, which only clients may set, is set. */
  readonly isOdd: boolean
  readonly opcode: number
  readonly payload: Buffer
}

export interface RawFrameInit {
  readonly fin?: boolean
  readonly rsv1?: boolean
  readonly rsv2?: boolean
  readonly rsv3?: boolean
  /** Default 1, a text frame. */
  readonly opcode?: number
  /** False leaves the mask out. */
  readonly mask?: Buffer | false
  /** The number of extra bytes for the length. Default: as few as possible. */
  readonly lengthBytes?: 0 | 2 | 8
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** A client's frame, valid or not. */
export function rawFrame(data: string | Uint8Array, init: RawFrameInit = {}): Buffer {
  const { fin = true, rsv1 = false, rsv2 = false, rsv3 = false, opcode = Opcode.text, mask = MASK } = init
  const payload = Buffer.from(data)
  const { lengthBytes = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8 } = init
  const header = Buffer.alloc(2 + lengthBytes)
  header[0] = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | (rsv2 ? 0x20 : 0) | (rsv3 ? 0x10 : 0) | opcode
  header[1] = (mask ? 0x80 : 0) | (lengthBytes === 0 ? payload.length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) header.writeUInt16BE(payload.length, 2)
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(payload.length), 2)
  if (mask === false) return Buffer.concat([header, payload])
  for (let index = 0; index < payload.length; index++) payload[index]! ^= mask[index & 3]!
  return Buffer.concat([header, mask, payload])
}

/** Finds the frames in the bytes that come over the wire. */
export class RawFrameParser {
  #chunks: Buffer[] = []
  #length = 0
  #wanted = 2

  /** Bytes that do not make a whole frame yet. */
  get rest(): number {
    return this.#length
  }

  add(chunk: Buffer): RawFrame[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#wanted) return []
    let bytes = Buffer.concat(this.#chunks)
    const frames: RawFrame[] = []
    for (let end = this.#endOf(bytes); end !== undefined; end = this.#endOf(bytes)) {
      frames.push(parse(bytes.subarray(0, end)))
      bytes = bytes.subarray(end)
    }
    this.#chunks = [bytes]
    this.#length = bytes.length
    return frames
  }

  /** The end of the first frame, if all of it is here. Otherwise it notes how many bytes the frame takes. */
  #endOf(bytes: Buffer): number | undefined {
    this.#wanted = 2
    if (bytes.length < this.#wanted) return undefined
    this.#wanted = headerLength(bytes)
    if (bytes.length < this.#wanted) return undefined
    this.#wanted += payloadLength(bytes)
    return bytes.length < this.#wanted ? undefined : this.#wanted
  }
}

function headerLength(bytes: Buffer): number {
  const length = bytes[1]! & 0x7f
  return (length < 126 ? 2 : length === 126 ? 4 : 10) + ((bytes[1]! & 0x80) === 0 ? 0 : 4)
}

function payloadLength(bytes: Buffer): number {
  const length = bytes[1]! & 0x7f
  return length < 126 ? length : length === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
}

function parse(bytes: Buffer): RawFrame {
  const first = bytes[0]!
  return {
    fin: (first & 0x80) !== 0,
    rsv1: (first & 0x40) !== 0,
    isOdd: (first & 0x30) !== 0 || (bytes[1]! & 0x80) !== 0,
    opcode: first & 0xf,
    payload: bytes.subarray(headerLength(bytes)),
  }
}
