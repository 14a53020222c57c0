import { FlotillaError } from '../errors.ts'

/**
 * Sees to it that every option which was given is one that is used: a misspelt or misplaced one would be ignored in
 * silence. Callers check the values.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`, naming the option
 */
export function checkNames(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw badOption(`${owner} takes an object with ${known.join(', ')}, not ${kindOf(options)}`)
  }
  const strange = strangeNames(options, known)
  if (strange !== undefined) throw badOption(`${strange}: ${owner} has no such option`)
}

/** For what takes no options at all: what somebody gives all the same would be ignored. */
export function checkNone(owner: string, args: readonly unknown[]): void {
  if (args.length > 0) throw badOption(`${owner} takes nothing more than that: ${kindOf(args[0])} would be ignored`)
}

/** The names that are not known, with what was probably meant; undefined if there are none. */
export function strangeNames(options: object, known: readonly string[]): string | undefined {
  const names = Object.keys(options)
  // A push goes through here as well.
  if (names.every((name) => known.includes(name))) return undefined
  const strange = names.filter((name) => !known.includes(name))
  return strange.map((name) => `'${name}'${hintOf(name, known)}`).join(', ')
}

/** More letters than these apart, two names have nothing to do with each other. */
const TYPOS = 2

function hintOf(name: string, known: readonly string[]): string {
  const near = known.find((candidate) => distanceOf(name.toLowerCase(), candidate.toLowerCase()) <= TYPOS)
  return near === undefined ? '' : ` (did you mean '${near}'?)`
}

/** Levenshtein's: how many letters must be put in, left out or replaced. */
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

/** Never the value itself: where options belong, somebody may give a URL with its password, or a secret. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? `an object with ${Object.keys(value).join(', ')}` : `a ${typeof value}`
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', message)
}
