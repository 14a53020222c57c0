import { isUtf8 } from 'node:buffer'
import type { PushEnvelope } from '../envelope/envelope.ts'
import type { Payload, PayloadKind } from '../envelope/payload.ts'
import { deflate, inflate } from './deflate.ts'
import type { Handover } from './handover.ts'
import { buildFrame } from './web-socket-frame.ts'

/** Everything in a push except its payload. */
export type PushHead = Omit<PushEnvelope, 'payload'>

/** A message in the form that a kind of transport writes. It is encoded once and shared by everyone who gets this form. */
export interface EncodedMessage {
  readonly message: OutboundMessage
  readonly bytes: Buffer
  /** Bytes before the content. */
  readonly headerLength: number
}

interface Origin {
  /** The push that the message belongs to. A message to a single connection of this node belongs to none. */
  readonly push?: PushEnvelope
  /** The handover that waits until the message was taken. */
  readonly handover?: Handover | undefined
}

const NO_ORIGIN: Origin = Object.freeze({})

/** One message on its way to clients. Each encoding is made when it is first needed, and shared by all receivers. */
export class OutboundMessage {
  readonly kind: PayloadKind
  /** A newer message with the same key makes this one worthless. */
  readonly key: string | undefined
  readonly handover: Handover | undefined
  #push: PushHead | undefined
  /** The content, until the message is released. After that it is restored from an encoding. */
  #data: string | Uint8Array | undefined
  #frame: EncodedMessage | undefined
  #deflatedFrame: EncodedMessage | undefined
  #isReleased = false

  constructor(payload: Payload, key?: string, { push, handover }: Origin = NO_ORIGIN) {
    this.kind = sendableKindOf(payload)
    this.key = key
    this.handover = handover
    this.#push = push
    this.#data = payload.data
  }

  static ofPush(push: PushEnvelope, handover: Handover | undefined): OutboundMessage {
    return new OutboundMessage(push.payload, push.key, { push, handover })
  }

  get push(): PushHead | undefined {
    return this.#push
  }

  get payload(): Payload {
    return { kind: this.kind, data: this.#content } as Payload
  }

  /** The message as a WebSocket data frame. */
  get frame(): EncodedMessage {
    this.#frame ??= this.#encode(this.#content, false)
    return this.#frame
  }

  /**
   * The message as a compressed WebSocket data frame, for clients that negotiated compression. It is the plain frame if
   * the content has fewer bytes than the threshold, or if it would not shrink.
   */
  deflatedFrame(threshold: number): EncodedMessage {
    this.#deflatedFrame ??= this.#deflate(threshold)
    return this.#deflatedFrame
  }

  /**
   * Frees everything that the message can be restored without, once it was handed to all its receivers. From now on the
   * message may wait for a slow client for a long time, and the memory that it was read from, probably a batch of many
   * messages, must not be kept that long.
   */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    setImmediate(() => {
      if (this.#push !== undefined) this.#push = headOf(this.#push)
      this.#data = undefined
      // A slow client that negotiated compression must not cost more memory than the compressed bytes.
      if (this.#deflatedFrame !== undefined && this.#deflatedFrame !== this.#frame) this.#frame = undefined
    })
  }

  get #content(): string | Uint8Array {
    if (this.#data !== undefined) return this.#data
    if (this.#frame !== undefined) return contentOf(this.#frame)
    return inflate(contentOf(this.#deflatedFrame!))
  }

  #encode(data: string | Uint8Array, isDeflated: boolean): EncodedMessage {
    const { bytes, headerLength } = buildFrame(this.kind, data, isDeflated)
    return { message: this, bytes, headerLength }
  }

  #deflate(threshold: number): EncodedMessage {
    const { frame } = this
    const content = contentOf(frame)
    if (content.length < threshold) return frame
    const deflated = this.#encode(deflate(content), true)
    return deflated.bytes.length < frame.bytes.length ? deflated : frame
  }
}

/**
 * A text message must be UTF-8 (RFC 6455 §5.6), but a batch that another program wrote to the store may call any bytes
 * a text.
 */
function sendableKindOf({ kind, data }: Payload): PayloadKind {
  return kind === 'bytes' || typeof data === 'string' || isUtf8(data) ? kind : 'bytes'
}

function headOf({ type, id, to, except, key, hops, resent, named, broadcast }: PushHead): PushHead {
  const head = { type, id, to, except, key, hops, resent }
  if (named === undefined && broadcast === undefined) return head
  return { ...head, ...(named && { named }), ...(broadcast !== undefined && { broadcast }) }
}

/** The content of an encoded message, as a view of the same memory. */
function contentOf({ bytes, headerLength }: EncodedMessage): Buffer {
  return bytes.subarray(headerLength)
}
