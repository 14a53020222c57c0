import { FlotillaError } from '../errors.ts'
import type { ConnectionId, Group, Uid } from './ids.ts'

/**
 * A target that was checked where the caller gave it, so that no code inside checks it again. Lists hold each id once.
 */
export type ParsedTarget =
  | { readonly type: 'users'; readonly uids: readonly Uid[] }
  | { readonly type: 'groups'; readonly groups: readonly Group[] }
  | { readonly type: 'connections'; readonly connections: readonly ConnectionId[] }
  | { readonly type: 'all' }

export interface Except {
  readonly uids: readonly Uid[]
  readonly connections: readonly ConnectionId[]
}

const MAX_ID_BYTES = 255
/** The most ids in one target. Beyond that, the lookup for one push would keep all others waiting. */
const MAX_IDS = 10_000
const FIELDS = ['uid', 'group', 'connection', 'all'] as const
const encoder = new TextEncoder()

/** @throws FlotillaError `FLT_BAD_TARGET` unless the target has exactly one valid field; the message names the field */
export function parseTarget(target: unknown): ParsedTarget {
  if (typeof target !== 'object' || target === null) {
    throw badTarget(
      `target is ${target === null ? 'null' : typeof target}: give an object with one of ${FIELDS.join(', ')}`,
    )
  }
  const field = onlyFieldOf(target)
  const value = (target as Record<string, unknown>)[field]
  switch (field) {
    case 'uid':
      return { type: 'users', uids: parseUids(value) }
    case 'group':
      return { type: 'groups', groups: parseMany(value, 'group') as Group[] }
    case 'connection':
      return { type: 'connections', connections: parseMany(value, 'connection') as ConnectionId[] }
    case 'all':
      if (value !== true) throw badTarget('all must be true; to reach nobody, do not push')
      return { type: 'all' }
    default:
      throw field satisfies never
  }
}

type Field = (typeof FIELDS)[number]

function onlyFieldOf(target: object): Field {
  let found: Field | undefined
  for (const name of Object.keys(target)) {
    if (!isField(name)) throw badTarget(`target has '${name}', which is none of ${FIELDS.join(', ')}`)
    if (found !== undefined)
      throw badTarget(`target has ${found} and ${name}: give exactly one of ${FIELDS.join(', ')}`)
    found = name
  }
  if (found === undefined) throw badTarget(`target has no field: give exactly one of ${FIELDS.join(', ')}`)
  return found
}

function isField(name: string): name is Field {
  return (FIELDS as readonly string[]).includes(name)
}

/** `undefined` excepts nobody. The ids are checked like those of a target. */
export function parseExcept(except: unknown): Except | undefined {
  if (except === undefined) return undefined
  if (typeof except !== 'object' || except === null)
    throw badTarget('except must be an object with uid, connection or both')
  for (const name of Object.keys(except)) {
    if (name !== 'uid' && name !== 'connection')
      throw badTarget(`except has '${name}', which is none of uid, connection`)
  }
  const { uid, connection } = except as Record<string, unknown>
  return {
    uids: uid === undefined ? [] : (parseMany(uid, 'except.uid') as Uid[]),
    connections: connection === undefined ? [] : (parseMany(connection, 'except.connection') as ConnectionId[]),
  }
}

export function parseUid(value: unknown, field = 'uid'): Uid {
  return parseId(value, field) as Uid
}

export function parseUids(value: unknown): Uid[] {
  return parseMany(value, 'uid') as Uid[]
}

export function parseGroup(value: unknown, field = 'group'): Group {
  return parseId(value, field) as Group
}

export function parseGroups(values: readonly unknown[]): Group[] {
  return parseMany(values.length === 1 ? values[0] : values, 'group') as Group[]
}

/** @throws FlotillaError `FLT_BAD_ID` */
export function parsePushId(value: unknown): string {
  return parseName(value, 'id')
}

/** @throws FlotillaError `FLT_BAD_ID` */
export function parsePushKey(value: unknown): string {
  return parseName(value, 'key')
}

function parseName(value: unknown, field: string): string {
  const flaw = flawOfId(value)
  if (flaw !== undefined) throw new FlotillaError('FLT_BAD_ID', `${field} ${flaw}`)
  return value as string
}

function parseMany(value: unknown, field: string): string[] {
  if (!Array.isArray(value)) return [parseId(value, field)]
  if (value.length > MAX_IDS) {
    throw badTarget(`${field} lists ${value.length}: at most ${MAX_IDS} at once; use several calls, or a group`)
  }
  const ids = value.map((item, index) => parseId(item, `${field}[${index}]`))
  return ids.length > 1 ? [...new Set(ids)] : ids
}

function parseId(value: unknown, field: string): string {
  const flaw = flawOfId(value)
  if (flaw !== undefined) throw badTarget(`${field} ${flaw}`)
  return value as string
}

function flawOfId(value: unknown): string | undefined {
  if (typeof value !== 'string') {
    return `is ${value === null ? 'null' : typeof value}: give a string of 1 to ${MAX_ID_BYTES} bytes`
  }
  if (value === '') return `is empty: give a string of 1 to ${MAX_ID_BYTES} bytes`
  // UTF-8 cannot express half a surrogate pair: once written, two different ids of that kind would be the same.
  if (!value.isWellFormed()) return 'is not valid Unicode: it holds half a surrogate pair'
  // A UTF-16 code unit takes at most three bytes, so a short id need not be encoded to be measured.
  if (value.length * 3 <= MAX_ID_BYTES) return undefined
  const bytes = encoder.encode(value).length
  return bytes > MAX_ID_BYTES ? `has ${bytes} bytes: at most ${MAX_ID_BYTES} bytes of UTF-8 are allowed` : undefined
}

function badTarget(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_TARGET', message)
}
