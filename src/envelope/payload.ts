import { FlotillaError } from '../errors.ts'

const encoder = new TextEncoder()

/**
 * A message as it goes over the wire, shared by everyone who gets it. JSON goes out as text, like any other. A text stays a
 * string until it is written for the first time; if it came as UTF-8, from an envelope or in a body, it is that already.
 */
export type Payload =
  | { readonly kind: 'text' | 'json'; readonly data: string | Uint8Array }
  | { readonly kind: 'bytes'; readonly data: Uint8Array }

export type PayloadKind = Payload['kind']

/** A message that came as JSON: it goes out as the same bytes, and is not written again. */
export class ReadyJson {
  readonly bytes: Uint8Array

  /** @param text MUST be JSON: nobody checks it again */
  constructor(text: string) {
    // A slice of a string would keep the whole body in memory for as long as the push waits.
    this.bytes = encoder.encode(text)
  }
}

/** Bytes of one UTF-16 unit in UTF-8, at most. */
const MAX_UTF8 = 3

/**
 * string → that text, `Uint8Array` → those bytes, JSON that is ready → as it is, anything else → JSON text.
 *
 * @throws FlotillaError `FLT_BAD_MESSAGE` for what JSON has no word for: `undefined`, a function, a cycle, a `BigInt`.
 */
export function encodePayload(message: unknown): Payload {
  if (typeof message === 'string') return { kind: 'text', data: message }
  const bytes = bytesOf(message)
  if (bytes !== undefined) return { kind: 'bytes', data: bytes }
  return { kind: 'json', data: message instanceof ReadyJson ? message.bytes : toJson(message) }
}

/** The bytes of a message that is made of bytes, however it is dressed. */
export function bytesOf(message: unknown): Uint8Array | undefined {
  if (message instanceof Uint8Array) return message
  if (message instanceof ArrayBuffer) return new Uint8Array(message)
  return ArrayBuffer.isView(message)
    ? new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
    : undefined
}

function toJson(message: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(message)
  } catch (cause) {
    throw new FlotillaError(
      'FLT_BAD_MESSAGE',
      'message cannot be written as JSON: send a string, bytes or plain data',
      { cause },
    )
  }
  if (json === undefined) {
    throw new FlotillaError(
      'FLT_BAD_MESSAGE',
      `message is ${typeof message}: send a string, bytes or anything that JSON can hold`,
    )
  }
  return json
}

/** Bytes that it takes on the wire, without a frame. */
export function sizeOfPayload({ data }: Payload): number {
  return typeof data === 'string' ? encoder.encode(data).length : data.length
}

/** True without measuring where even the widest characters would fit. */
export function isPayloadWithin(payload: Payload, limit: number): boolean {
  return payload.data.length * MAX_UTF8 <= limit || sizeOfPayload(payload) <= limit
}
