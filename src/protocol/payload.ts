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
  if (message instanceof Uint8Array) return { binary: true, data: message }
  return { binary: false, data: toJson(message) }
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
