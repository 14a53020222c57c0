import { endOfToken, isSpace, QUOTE } from './json-scan.ts'

/**
 * The same JSON in one spelling: as `JSON.stringify` would write it, but that members keep their order, and a number keeps
 * the digits that a double cannot hold.
 *
 * @param text MUST be JSON
 */
export function canonicalJson(text: string): string {
  let written = ''
  /** From here on nothing had to be written otherwise. */
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

/** Undefined where a token is good as it stands. */
function respell(text: string, start: number, end: number): string | undefined {
  const unit = text.charCodeAt(start)
  if (isSpace(unit)) return ''
  if (unit === QUOTE) return respellString(text.slice(start, end))
  const isNumber = unit === MINUS || (unit >= ZERO && unit <= NINE)
  // One digit has one spelling, and most numbers of large messages are that short.
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

/** So many significant digits of a decimal a double always holds, where it is not about to become zero. */
const SAFE_DIGITS = 15
const SAFE_MIN = 1e-300

/** Whether the double is what the text says. */
function isExact(text: string, value: number, shortest: string): boolean {
  if (!Number.isFinite(value)) return false
  if (value === 0) return /^-?[0.]+(?:e|$)/i.test(text)
  if (text.length <= SAFE_DIGITS && Math.abs(value) >= SAFE_MIN) return true
  return decimalOf(text) === decimalOf(shortest)
}

/** Digits of an exponent that can be counted with; what has more keeps its spelling. */
const MAX_EXPONENT_LENGTH = 15

/** `-1.50e3` is `-15e2`: one text for each value but zero, however long it is. */
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
