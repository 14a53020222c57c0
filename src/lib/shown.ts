import { inspect } from 'node:util'

/** Writes a caller's value into an error message, even if the value cannot be written as JSON. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10, maxStringLength: 100, getters: false })
}
