import { FlotillaError } from '../errors.ts'
import { RequestError } from './request-error.ts'
import { parseUntrustedJson } from './untrusted-json.ts'

export interface ParsedMessage {
  readonly command: string
  readonly data: unknown
  readonly ext?: unknown
  readonly id?: string | number | undefined
}

/** What goes back: what the handler returned, or why there is nothing. `cmd` is empty where it could not be read. */
export type Answer = { readonly id?: string | number | undefined; readonly cmd: string } & (
  | { readonly data: unknown; readonly error?: undefined }
  | { readonly error: { readonly code: string; readonly message: string } }
)

/** How a module's messages are written. */
export interface Parser {
  /** What it throws is the client's mistake: a `FlotillaError` is told as it is, anything else as `FLT_BAD_REQUEST`. */
  decode(raw: string | Uint8Array): ParsedMessage
  /** Nothing is sent where it returns `undefined`. */
  encode(answer: Answer): string | Uint8Array | undefined
}

/** `{cmd, data, ext?, id?}`, answered by `{id?, cmd, data}` or `{id?, cmd, error}`; bytes go back bare. */
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
 * `cmd:data`, cut at the first colon: data may hold more of them, and is empty where there is none. Answered by
 * `cmd:text`, with JSON for what is not a string, or by `error:CODE:sentence`; bytes go back bare.
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

/** The whole message is the data, as it came; the return value goes back as it is. It has no word for errors. */
export const raw: Parser = {
  decode: (data) => ({ command: '', data }),
  encode(answer) {
    if (answer.error !== undefined) return undefined
    return answer.data instanceof Uint8Array ? answer.data : toPlain(answer.data)
  },
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

/** Not 1e999 either: JSON cannot write what it reads that as. */
function isId(id: unknown): id is string | number | undefined {
  return id === undefined || typeof id === 'string' || Number.isFinite(id)
}

function toBareBytes(bytes: Uint8Array, id: string | number | undefined): Uint8Array {
  if (id === undefined) return bytes
  throw new FlotillaError('FLT_HANDLER_FAILED', 'bytes cannot answer a request with an id: they have no room for it')
}

function toPlain(data: unknown): string {
  if (typeof data === 'string') return data
  const text = JSON.stringify(data)
  if (text !== undefined) return text
  throw new FlotillaError('FLT_HANDLER_FAILED', `a reply cannot be a ${typeof data}: return what JSON can hold`)
}
