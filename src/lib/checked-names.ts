import { FlotillaError } from '../errors.ts'

/**
 * Refuses options that Flotilla does not know. Otherwise a misspelt or misplaced option would be ignored, and nobody
 * would be told. Only the names are checked: callers check the values.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`; its message names the option
 */
export function checkNames(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw badOption(`${owner} takes an object with ${known.join(', ')}, not ${kindOf(options)}`)
  }
  const unknown = unknownNames(options, known)
  if (unknown !== undefined) throw badOption(`${unknown}: ${owner} has no such option`)
}

/** Refuses arguments that a function does not take. Otherwise they would be ignored, and nobody would be told. */
export function checkNone(owner: string, args: readonly unknown[]): void {
  if (args.length > 0) throw badOption(`${owner} takes nothing more than that: ${kindOf(args[0])} would be ignored`)
}

/** A list of the unknown names, each with the name that was probably meant; `undefined` if all names are known. */
export function unknownNames(options: object, known: readonly string[]): string | undefined {
  const names = Object.keys(options)
  // Every push with options calls this, so the usual case comes first and allocates nothing more.
  if (names.every((name) => known.includes(name))) return undefined
  const unknown = names.filter((name) => !known.includes(name))
  return unknown.map((name) => `'${name}'${hintOf(name, known)}`).join(', ')
}

/** If two names differ by more letters than this, one is not a misspelling of the other. */
const TYPOS = 2

function hintOf(name: string, known: readonly string[]): string {
  const near = known.find((candidate) => distanceOf(name.toLowerCase(), candidate.toLowerCase()) <= TYPOS)
  return near === undefined ? '' : ` (did you mean '${near}'?)`
}

/** The Levenshtein distance: how many letters must be inserted, deleted or replaced to turn one name into the other. */
function distanceOf(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > TYPOS) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let index = 0; index < one.length; index++) {
    const next = [index + 1]
    for (let column = 1; column < row.length; column++) {
      const replaced = row[column - 1]! + (one[index] === other[column - 1] ? 0 : 1)
      next.push(Math.min(row[column]! + 1, next[column - 1]! + 1, replaced))
    }
    row = next
  }
  return row.at(-1)!
}

/** Never shows the value itself: instead of options, a caller may have passed a URL with a password, or a secret. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? `an object with ${Object.keys(value).join(', ')}` : `a ${typeof value}`
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', message)
}
