import { isUtf8 } from 'node:buffer'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import type { PushEnvelope } from '../envelope/envelope.ts'
import type { Payload, PayloadKind } from '../envelope/payload.ts'
import type { Handover } from './handover.ts'

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
  /** What it was handed over with, where somebody waits for that. */
  readonly handover: Handover | undefined
  readonly #kind: PayloadKind
  #push: PushHead | undefined
  #deflated: Frame | undefined

  constructor(payload: Payload, key?: string, { rsv = 0, push, handover }: Origin = NO_ORIGIN) {
    this.#kind = kindOf(payload, rsv)
    this.bytes = build(this.#kind, payload.data, rsv)
    this.key = key
    this.handover = handover
    this.#push = push
  }

  static of(push: PushEnvelope, handover: Handover | undefined): Frame {
    return new Frame(push.payload, push.key, { push, handover })
  }

  /** The push that it was made of, if it was. */
  get push(): PushHead | undefined {
    return this.#push
  }

  /** As it was before it was framed, and compressed. */
  get payload(): Payload {
    return { kind: this.#kind, data: messageIn(this.bytes) }
  }

  /** Lets go of the bytes that the push was read from: a batch of many, most likely. */
  detach(): void {
    if (this.#push !== undefined && 'payload' in this.#push) this.#push = headOf(this.#push)
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
    const deflated = new Frame({ kind: this.#kind, data: deflate(data) }, this.key, {
      rsv: RSV1,
      push: this.#push,
      handover: this.handover,
    })
    return deflated.bytes.length < this.bytes.length ? deflated : this
  }
}

/** What a push says beside its payload. */
export type PushHead = Omit<PushEnvelope, 'payload'>

function headOf({ type, id, to, except, key, hops, resent, named, broadcast }: PushHead): PushHead {
  const head = { type, id, to, except, key, hops, resent }
  if (named === undefined && broadcast === undefined) return head
  return { ...head, ...(named && { named }), ...(broadcast !== undefined && { broadcast }) }
}

interface Origin {
  /** Bits of the first byte. */
  readonly rsv?: number
  readonly push?: PushHead | undefined
  readonly handover?: Handover | undefined
}

const NO_ORIGIN: Origin = Object.freeze({})

/** A text must be UTF-8 (RFC 6455 §5.6): what somebody else put into the store may say that it is one. */
function kindOf({ kind, data }: Payload, rsv: number): PayloadKind {
  return kind === 'bytes' || typeof data === 'string' || rsv !== 0 || isUtf8(data) ? kind : 'bytes'
}

/** RFC 6455 §5.2: unfragmented and unmasked, as a server sends. */
function build(kind: PayloadKind, data: string | Uint8Array, rsv: number): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = FIN | rsv | (kind === 'bytes' ? BINARY : TEXT)
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

/** Inflated, if the frame is compressed. */
function messageIn(frame: Buffer): Buffer {
  const data = payloadOf(frame)
  if ((frame[0]! & RSV1) === 0) return data
  return inflateRawSync(Buffer.concat([data, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })
}

/** Half of the time that zlib's default of 6 takes, for a tenth more bytes. */
const LEVEL = 3
/** What a receiver puts back. */
const TAIL = Buffer.of(0, 0, 0xff, 0xff)

/** RFC 7692 §7.2.1, without context: whoever gets it may have missed everything before. */
function deflate(data: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(data, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH })
  return deflated.subarray(0, -TAIL.length)
}
