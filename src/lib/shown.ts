import { inspect } from 'node:util'

/** A value that somebody gave, for a message: also where JSON has no word for it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10, maxStringLength: 100, getters: false })
}
