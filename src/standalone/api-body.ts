import { z } from 'zod'
import type { Message, PushOptions, Target } from '../index.ts'
import { badRequest } from './api-error.ts'

export interface PushCall {
  readonly target: Target
  readonly message: Message
  readonly options: PushOptions
}

const MAX_BATCH = 1000
const TARGET_FIELDS = ['uid', 'group', 'connection', 'all'] as const

const anything = z.unknown().optional()

// The cluster judges targets, ids and messages, in the words that the library has for them; here it is only seen to that
// nothing is misspelt and nothing is left over.
const pushSchema = z.strictObject({
  uid: anything,
  group: anything,
  connection: anything,
  all: anything,
  message: anything,
  binary: z.string({ error: 'takes a string, the base64 of the bytes' }).optional(),
  except: z
    .strictObject({ uid: anything, connection: anything }, { error: 'takes an object with uid, connection or both' })
    .optional(),
  id: anything,
})

const batchSchema = z.strictObject({
  pushes: z
    .array(z.unknown(), { error: 'takes a list of pushes' })
    .max(MAX_BATCH, { error: `has more than ${MAX_BATCH} entries: send several batches` }),
})

const closeSchema = z.strictObject({
  code: z
    .string()
    .regex(/^(1000|[34]\d{3})$/, { error: 'takes 1000 or a number from 3000 to 4999' })
    .transform(Number)
    .optional(),
  reason: z
    .string()
    .refine((reason) => Buffer.byteLength(reason) <= 123, { error: 'takes at most 123 bytes of UTF-8' })
    .optional(),
})

const pageSchema = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/, { error: 'takes a whole number from 1 to 1000' })
    .transform(Number)
    .optional(),
  cursor: z.string().min(1, { error: 'takes the cursor that the page before gave' }).optional(),
})

/** @throws FlotillaError `FLT_BAD_REQUEST` that names the field; likewise the other three. */
export function parsePush(body: unknown): PushCall {
  const push = parse(pushSchema, body, 'the body')
  const target = Object.fromEntries(TARGET_FIELDS.filter((field) => field in push).map((field) => [field, push[field]]))
  const options = { ...('except' in push && { except: push.except }), ...('id' in push && { id: push.id }) }
  return { target: target as Target, message: messageOf(push), options: options as PushOptions }
}

export function parseBatch(body: unknown): unknown[] {
  return parse(batchSchema, body, 'the body').pushes
}

export function parseClose(query: Record<string, string>): { code?: number | undefined; reason?: string | undefined } {
  return parse(closeSchema, query, 'the query')
}

export function parsePage(query: Record<string, string>): { limit?: number; cursor?: string } {
  const { limit, cursor } = parse(pageSchema, query, 'the query')
  return { ...(limit !== undefined && { limit }), ...(cursor !== undefined && { cursor }) }
}

function messageOf(push: { message?: unknown; binary?: string | undefined }): Message {
  const { binary } = push
  if ('message' in push && binary !== undefined) throw badRequest('message and binary are both there: send one of them')
  if (binary !== undefined) return decodeBase64(binary)
  if ('message' in push) return push.message as Message
  throw badRequest('message is missing: send any JSON as "message", or base64 as "binary"')
}

function decodeBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw badRequest('binary is not base64: use the standard alphabet with padding (RFC 4648 §4)')
}

function parse<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw badRequest(issue === undefined ? `${whole} is not understood` : describe(issue, whole))
}

function describe(issue: z.core.$ZodIssue, whole: string): string {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`))
    return `${names.join(', ')}: there is no such field in ${whole}`
  }
  return path === '' ? `${whole} must be a JSON object` : `${path} ${issue.message}`
}
