import { RequestError } from '../wire/request-error.ts'

/** The part of Standard Schema v1 (standardschema.dev) that is used here. zod, valibot and arktype implement it. */
export interface Schema<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Result<T> | Promise<Result<T>>
    readonly types?: { readonly input: unknown; readonly output: T } | undefined
  }
}

type Result<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

const MAX_ISSUES = 10

/** @throws RequestError `FLT_INVALID_DATA` with the path of each issue, for at most ten issues */
export async function validate<T>(schema: Schema<T>, data: unknown): Promise<T> {
  const result = await schema['~standard'].validate(data)
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, MAX_ISSUES).map(describe)
  throw new RequestError('FLT_INVALID_DATA', issues.join('; ') || 'data is not valid')
}

export function isSchema(value: unknown): value is Schema<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as Partial<Schema<unknown>>)['~standard']?.validate === 'function'
}

function describe({ path = [], message }: Issue): string {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part))
  const place = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return `data${place}: ${message}`
}
