import { FlotillaError } from '../errors.ts'

/** A message as it goes over the wire: encoded once, shared by everyone who gets it. */
export interface Payload {
  readonly binary: boolean
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()

/**
 * string → that text, `Uint8Array` → those bytes, anything else → JSON text.
 *
 * @throws FlotillaError `FLT_BAD_MESSAGE` for what JSON has no word for: `undefined`, a function, a cycle, a `BigInt`.
 */
export function encodePayload(message: unknown): Payload {
  if (typeof message === 'string') return { binary: false, bytes: encoder.encode(message) }
  if (message instanceof Uint8Array) return { binary: true, bytes: message }
  return { binary: false, bytes: encoder.encode(toJson(message)) }
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
