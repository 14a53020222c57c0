import { endOfToken, isSpace, QUOTE } from './json-scan.ts'

/**
 * Rewrites JSON in one spelling, so that two texts with the same content become equal. The result is what
 * `JSON.stringify` would write, except that members keep their order, and numbers keep digits that a double cannot
 * hold.
 *
 * @param text MUST be valid JSON
 */
export function canonicalJson(text: string): string {
  let written = ''
  /** Where the part of `text` begins that was not copied yet, because nothing in it had to change. */
  let from = 0
  for (let at = 0, end = 0; at < text.length; at = end) {
    end = endOfToken(text, at)
    const token = respell(text, at, end)
    if (token === undefined) continue
    written += text.slice(from, at) + token
    from = end
  }
  return written + text.slice(from)
}

const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d

/** The token's canonical spelling, or `undefined` if it has that spelling already. */
function respell(text: string, start: number, end: number): string | undefined {
  const unit = text.charCodeAt(start)
  if (isSpace(unit)) return ''
  if (unit === QUOTE) return respellString(text.slice(start, end))
  const isNumber = unit === MINUS || (unit >= ZERO && unit <= NINE)
  // A single digit has only one spelling, and most numbers in large messages are single digits.
  return isNumber && end - start > 1 ? respellNumber(text.slice(start, end)) : undefined
}

function respellString(text: string): string | undefined {
  return text.includes('\\') ? JSON.stringify(JSON.parse(text)) : undefined
}

function respellNumber(text: string): string | undefined {
  const value = Number(text)
  const shortest = String(value)
  if (shortest === text) return undefined
  return isExact(text, value, shortest) ? shortest : decimalOf(text)
}

/** A decimal number of up to this many digits survives the way into a double and back, unless it is close to zero. */
const SAFE_DIGITS = 15
const SAFE_MIN = 1e-300

/** Whether the double has the same value as the text. */
function isExact(text: string, value: number, shortest: string): boolean {
  if (!Number.isFinite(value)) return false
  if (value === 0) return /^-?[0.]+(?:e|$)/i.test(text)
  if (text.length <= SAFE_DIGITS && Math.abs(value) >= SAFE_MIN) return true
  return decimalOf(text) === decimalOf(shortest)
}

/** An exponent of this many digits is still an exact integer. A number with a longer exponent keeps its spelling. */
const MAX_EXPONENT_LENGTH = 15

/** Writes `-1.50e3` as `-15e2`: the same text for the same value, however many digits it has. Zero is an exception. */
function decimalOf(number: string): string {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  if (exponent.length > MAX_EXPONENT_LENGTH) return number
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.slice(sign.length).split('.')
  const digits = whole + fraction
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (digits[end - 1] === '0') end--
  const power = Number(exponent) - fraction.length + digits.length - end
  return `${sign}${digits.slice(start, end)}${power === 0 ? '' : `e${power}`}`
}
