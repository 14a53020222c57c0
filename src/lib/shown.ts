import { inspect } from 'node:util'

/** Writes a caller's value into an error message, even if the value cannot be written as JSON. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10, maxStringLength: 100, getters: false })
}

/** Characters of a client's text that are shown. */
const MAX_SHOWN = 100

/**
 * A text that a client sent, as it may stand in a message or a log: at most a hundred characters of it, and all in
 * printable ASCII, because terminals obey control characters.
 */
export function shownFromClient(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
  return cut.replaceAll(/[^\x20-\x7E]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
