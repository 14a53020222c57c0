import { broken } from './tlv.ts'

export type JsonFields = Readonly<Record<string, unknown>>

/** @throws FlotillaError `FLT_BAD_ENVELOPE` if the value is of another kind. The functions below throw it, too. */
export function jsonFields(value: unknown, what: string): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(`${what} is not an object`)
  return value as JsonFields
}

export function textOf(fields: JsonFields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw broken(`${name} is not a text`)
  return value
}

export function numberOf(fields: JsonFields, name: string): number {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw broken(`${name} is not a whole number from 0 to 2^53 - 1`)
  }
  return value
}

export function listOf<T>(fields: JsonFields, name: string, read: (value: unknown) => T): T[] {
  const value = fields[name]
  if (!Array.isArray(value)) throw broken(`${name} is not a list`)
  return value.map(read)
}
