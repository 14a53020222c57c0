import type { z } from 'zod'
import type { JsonSource } from '../../index.ts'
import { badRequest } from './api-error.ts'
import { batchBody } from './api-schemas.ts'

/** How many unknown fields a message lists, and how much of each name: enough to find the mistake. */
const MAX_NAMES = 3
const MAX_NAME_LENGTH = 64

/** @param whole what the value is, such as "the query". @throws FlotillaError `FLT_BAD_REQUEST` that names the field */
export function parseInput<Schema extends z.ZodType>(schema: Schema, value: unknown, whole: string): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw badRequest(issue === undefined ? `${whole} is not understood` : describe(issue, whole))
}

/** The pushes of a batch, each with its place in the text of the body. @throws FlotillaError `FLT_BAD_REQUEST` */
export function parseBatch(body: JsonSource): JsonSource[] {
  parseInput(batchBody, body.value, 'the body')
  return body.member('pushes').items()
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
