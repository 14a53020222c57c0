import { z } from 'zod'
import type { JsonSource } from '../../index.ts'
import { badRequest } from './api-error.ts'

const MAX_BATCH = 1000
/** How many unknown fields a message lists, and how much of each name: enough to find the mistake. */
const MAX_NAMES = 3
const MAX_NAME_LENGTH = 64

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
  cursor: z.string().min(1, { error: 'takes the cursor of the previous page' }).optional(),
})

/** @throws FlotillaError `FLT_BAD_REQUEST` that names the field, as do `parseClose` and `parsePage` */
export function parseBatch(body: JsonSource): JsonSource[] {
  parse(batchSchema, body.value, 'the body')
  return body.member('pushes').items()
}

export function parseClose(query: Record<string, string>): { code?: number | undefined; reason?: string | undefined } {
  return parse(closeSchema, query, 'the query')
}

export function parsePage(query: Record<string, string>): { limit?: number; cursor?: string } {
  const { limit, cursor } = parse(pageSchema, query, 'the query')
  return { ...(limit !== undefined && { limit }), ...(cursor !== undefined && { cursor }) }
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
    const keys = issue.keys.slice(0, MAX_NAMES).map((key) => key.slice(0, MAX_NAME_LENGTH))
    const names = keys.map((key) => (path === '' ? key : `${path}.${key}`))
    return `${names.join(', ')}: there is no such field in ${whole}`
  }
  return path === '' ? `${whole} must be a JSON object` : `${path} ${issue.message}`
}
