import { FlotillaError } from '../errors.ts'
import { Brand } from '../lib/brand.ts'

const encoder = new TextEncoder()

/**
 * A message as it goes over the wire. All its receivers share it. JSON goes out as a text frame, as any other text
 * does. A text stays a string until it is written for the first time. If it arrived as UTF-8, in an envelope or a
 * request body, it is bytes from the start.
 */
export type Payload =
  | { readonly kind: 'text' | 'json'; readonly data: string | Uint8Array }
  | { readonly kind: 'bytes'; readonly data: Uint8Array }

export type PayloadKind = Payload['kind']

const readyJson = new Brand('ready-json')

/** A message that arrived as JSON. It goes out as the same bytes, and is not serialized again. */
export class ReadyJson {
  static {
    readyJson.put(this.prototype)
  }

  readonly bytes: Uint8Array

  /** @param text MUST be JSON, because nothing checks it again */
  constructor(text: string) {
    // Encoding copies the text. A slice of the body would keep the whole body in memory for as long as the push waits.
    this.bytes = encoder.encode(text)
  }
}

/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const MAX_UTF8 = 3

/**
 * A string becomes that text, a `Uint8Array` those bytes, `ReadyJson` its own bytes, and anything else JSON text.
 *
 * @throws FlotillaError `FLT_BAD_MESSAGE` if JSON cannot express the message: `undefined`, a function, a cycle, a
 * `BigInt`
 */
export function encodePayload(message: unknown): Payload {
  if (typeof message === 'string') return { kind: 'text', data: message }
  const bytes = bytesOf(message)
  if (bytes !== undefined) return { kind: 'bytes', data: bytes }
  return { kind: 'json', data: isReadyJson(message) ? message.bytes : toJson(message) }
}

/** The bytes of a message that is a `Uint8Array`, an `ArrayBuffer` or any other view of one; otherwise `undefined`. */
export function bytesOf(message: unknown): Uint8Array | undefined {
  if (message instanceof Uint8Array) return message
  if (message instanceof ArrayBuffer) return new Uint8Array(message)
  return ArrayBuffer.isView(message)
    ? new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
    : undefined
}

function isReadyJson(message: unknown): message is ReadyJson {
  return readyJson.isOn(message)
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

/** The bytes that a payload takes on the wire, without its frame. */
export function sizeOfPayload({ data }: Payload): number {
  return typeof data === 'string' ? encoder.encode(data).length : data.length
}

/**
 * Whether a payload fits a limit. It need not be measured if it would fit even if it held only the widest characters.
 */
export function isPayloadWithin(payload: Payload, limit: number): boolean {
  return payload.data.length * MAX_UTF8 <= limit || sizeOfPayload(payload) <= limit
}
