import { FlotillaError } from '../errors.ts'

/**
 * A message as it goes over the wire, shared by everyone who gets it. A text stays a string until it is written for the
 * first time; where it was read from an envelope, it is UTF-8 already.
 */
export type Payload =
  | { readonly binary: false; readonly data: string | Uint8Array }
  | { readonly binary: true; readonly data: Uint8Array }

const encoder = new TextEncoder()
/** Bytes of one UTF-16 unit in UTF-8, at most. */
const MAX_UTF8 = 3

/**
 * string → that text, `Uint8Array` → those bytes, anything else → JSON text.
 *
 * @throws FlotillaError `FLT_BAD_MESSAGE` for what JSON has no word for: `undefined`, a function, a cycle, a `BigInt`.
 */
export function encodePayload(message: unknown): Payload {
  if (typeof message === 'string') return { binary: false, data: message }
  const bytes = bytesOf(message)
  if (bytes !== undefined) return { binary: true, data: bytes }
  return { binary: false, data: toJson(message) }
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
