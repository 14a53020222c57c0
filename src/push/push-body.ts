import type { Message, PushOptions, Target } from '../api.ts'
import { bytesOfBase64 } from '../envelope/base64.ts'
import { ReadyJson } from '../envelope/payload.ts'
import { FlotillaError } from '../errors.ts'
import type { JsonSource } from '../lib/json-source.ts'

const TARGET_FIELDS = ['uid', 'group', 'connection', 'all']
const FIELDS = new Set([...TARGET_FIELDS, 'message', 'binary', 'except', 'id', 'key', 'hold'])
const EXCEPT_FIELDS = new Set(['uid', 'connection'])

/** A push that came as JSON: the body of `POST /api/push`, or an entry of the ingress stream. */
export interface PushCall {
  readonly target: Target
  readonly message: Message
  readonly options: PushOptions
}

/**
 * Checks that no field is misspelt. The values of target, id, key, hold and message are checked by `push` itself. A
 * message that is not a string stays the JSON that came.
 *
 * @throws FlotillaError `FLT_BAD_REQUEST`, naming the field
 */
export function parsePushBody(body: JsonSource): PushCall {
  const fields = checkFields(body.value, FIELDS, 'the body')
  const target = Object.fromEntries(
    TARGET_FIELDS.filter((field) => field in fields).map((field) => [field, fields[field]]),
  )
  const { except, id, key, hold } = fields
  const options: Record<string, unknown> = {}
  if (except !== undefined) options['except'] = checkFields(except, EXCEPT_FIELDS, 'except')
  if ('id' in fields) options['id'] = id
  if ('key' in fields) options['key'] = key
  if ('hold' in fields) options['hold'] = hold
  return { target: target as Target, message: messageOf(body, fields), options }
}

function checkFields(value: unknown, known: ReadonlySet<string>, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`${where} must be a JSON object`)
  const unknown = Object.keys(value).filter((field) => !known.has(field))
  if (unknown.length > 0) throw bad(`${shownNames(unknown)}: there is no such field in ${where}`)
  return value as Record<string, unknown>
}

const MAX_NAMES = 3
const MAX_NAME_LENGTH = 64

/** Enough names to find the mistake: there may be a megabyte of them. */
function shownNames(names: readonly string[]): string {
  return names
    .slice(0, MAX_NAMES)
    .map((name) => (name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name))
    .join(', ')
}

function messageOf(body: JsonSource, fields: Record<string, unknown>): Message {
  const { message, binary } = fields
  if ('message' in fields && binary !== undefined) throw bad('message and binary are both given: send one of them')
  if ('message' in fields) return typeof message === 'string' ? message : new ReadyJson(body.member('message').text)
  if (binary === undefined) throw bad('message is missing: send any JSON as "message", or base64 as "binary"')
  return bytesOf(binary)
}

function bytesOf(binary: unknown): Uint8Array {
  // `atob` forgives what the standard does not, such as missing padding.
  if (typeof binary === 'string' && /^[+/0-9A-Za-z]*={0,2}$/.test(binary) && binary.length % 4 === 0) {
    return bytesOfBase64(binary)
  }
  throw bad('binary must be base64: the standard alphabet, with padding (RFC 4648 §4)')
}

function bad(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_REQUEST', message)
}
