import { FlotillaError } from '../errors.ts'
import { Brand } from '../lib/brand.ts'
import { RequestError } from './request-error.ts'
import { parseUntrustedJson } from './untrusted-json.ts'

/** A client's message after parsing. */
export interface ParsedMessage {
  readonly command: string
  readonly data: unknown
  readonly ext?: unknown
  /** If it is set, the client expects exactly one reply with this id. */
  readonly id?: string | number | undefined
}

/**
 * An answer to a message: the handler's return value, or an error. `cmd` is empty if the message could not be parsed.
 */
export type Answer = { readonly id?: string | number | undefined; readonly cmd: string } & (
  | { readonly data: unknown; readonly error?: undefined }
  | { readonly error: { readonly code: string; readonly message: string } }
)

/** The format of a module's messages. */
export interface Parser {
  /**
   * Parses a client's message. If this throws, the message was wrong: the client is sent a `FlotillaError` with its
   * code and message, and any other error as `FLT_BAD_REQUEST`.
   */
  decode(raw: string | Uint8Array): ParsedMessage
  /** Writes an answer. If this returns `undefined`, nothing is sent. */
  encode(answer: Answer): string | Uint8Array | undefined
}

/**
 * Messages are JSON objects `{cmd, data, ext?, id?}`. Answers are `{id?, cmd, data}` or `{id?, cmd, error}`. If a
 * handler returns bytes, they are sent as they are, in a binary frame.
 */
export const json: Parser = {
  decode(raw) {
    const { cmd: command, data, ext, id } = parseObject(toText(raw))
    if (!isId(id)) throw new RequestError('FLT_BAD_REQUEST', 'id must be a string or a number')
    if (typeof command !== 'string') throw new RequestError('FLT_BAD_REQUEST', 'cmd must be a string', { id })
    return { command, data, ext, id }
  },
  encode(answer) {
    const { data } = answer as { data?: unknown }
    if (data instanceof Uint8Array) return toBareBytes(data, answer.id)
    if (typeof data === 'function' || typeof data === 'symbol')
      throw new FlotillaError('FLT_HANDLER_FAILED', `a reply cannot be a ${typeof data}: return what JSON can hold`)
    return JSON.stringify(answer)
  },
}

/**
 * Messages are texts `cmd:data`, split at the first colon: the data may hold more colons, and is empty if there is
 * none. Answers are `cmd:text`, in which anything but a string is written as JSON, or `error:CODE:message`. If a
 * handler returns bytes, they are sent as they are, in a binary frame.
 */
export const token: Parser = {
  decode(raw) {
    const text = toText(raw)
    const colon = text.indexOf(':')
    return colon === -1 ? { command: text, data: '' } : { command: text.slice(0, colon), data: text.slice(colon + 1) }
  },
  encode(answer) {
    if (answer.error !== undefined) return `error:${answer.error.code}:${answer.error.message}`
    if (answer.data instanceof Uint8Array) return toBareBytes(answer.data, answer.id)
    return `${answer.cmd}:${toPlain(answer.data)}`
  },
}

/**
 * The whole message is the data, unchanged. A string or bytes that a handler returns are sent as they are, anything
 * else as JSON. Errors are not sent, because this format cannot tell them from replies.
 */
export const raw: Parser = {
  decode: (data) => ({ command: '', data }),
  encode(answer) {
    if (answer.error !== undefined) return undefined
    return answer.data instanceof Uint8Array ? answer.data : toPlain(answer.data)
  },
}

const rawBrand = new Brand('raw-parser')
rawBrand.put(raw)

/** Whether a parser is `raw`, of this or of another copy of the package. */
export function isRawParser(parser: unknown): boolean {
  return rawBrand.isOn(parser)
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function toText(message: string | Uint8Array): string {
  if (typeof message === 'string') return message
  try {
    return decoder.decode(message)
  } catch (cause) {
    throw new RequestError('FLT_BAD_REQUEST', 'the binary message is not UTF-8 text', { cause })
  }
}

function parseObject(text: string): Record<string, unknown> {
  const value = parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new RequestError('FLT_BAD_REQUEST', 'the message must be an object {"cmd","data","ext"?,"id"?}')
}

function parseJson(text: string): unknown {
  try {
    return parseUntrustedJson(text)
  } catch (cause) {
    throw new RequestError('FLT_BAD_JSON', 'the message is not JSON: send {"cmd","data","ext"?,"id"?}', { cause })
  }
}

/** Refuses 1e999, too: `JSON.parse` reads it as Infinity, which JSON cannot write. */
function isId(id: unknown): id is string | number | undefined {
  return id === undefined || typeof id === 'string' || Number.isFinite(id)
}

function toBareBytes(bytes: Uint8Array, id: string | number | undefined): Uint8Array {
  if (id === undefined) return bytes
  throw new FlotillaError(
    'FLT_HANDLER_FAILED',
    'bytes cannot answer a request with an id, because they cannot carry it: return what JSON can hold',
  )
}

function toPlain(data: unknown): string {
  if (typeof data === 'string') return data
  const text = JSON.stringify(data)
  if (text !== undefined) return text
  throw new FlotillaError('FLT_HANDLER_FAILED', `a reply cannot be a ${typeof data}: return what JSON can hold`)
}
