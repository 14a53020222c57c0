// Finds the ends of values in a text that `JSON.parse` has accepted, so these functions check nothing. None of them
// recurses, because JSON may be nested deeper than the stack allows. Each takes time in proportion to the text it
// passes.
export const QUOTE = 0x22
const OPEN_BRACKET = 0x5b
const OPEN_BRACE = 0x7b
export const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const CLOSE_BRACE = 0x7d
const SPACE = 0x20

/** JSON's whitespace characters are at most 0x20, and no other character between two tokens is. */
export function isSpace(unit: number): boolean {
  return unit <= SPACE
}

export function skipSpace(text: string, start: number): number {
  let at = start
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** The position just after the value that begins at `start`. */
export function endOfValue(text: string, start: number): number {
  switch (text.charCodeAt(start)) {
    case QUOTE:
      return endOfString(text, start)
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return endOfBrackets(text, start)
    default:
      return endOfWord(text, start)
  }
}

function endOfBrackets(text: string, start: number): number {
  let depth = 0
  let at = start
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) {
      at = endOfString(text, at)
      continue
    }
    at++
    if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth++
    else if ((unit === CLOSE_BRACE || unit === CLOSE_BRACKET) && --depth === 0) return at
  }
  return at
}

export function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === QUOTE) return at + 1
    at += unit === BACKSLASH ? 2 : 1
  }
  return at
}

/** The position just after a number, `true`, `false` or `null`. */
export function endOfWord(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (isSpace(unit) || unit === COMMA || unit === CLOSE_BRACE || unit === CLOSE_BRACKET) return at
    at++
  }
  return at
}

/** The position just after the string, word, whitespace or punctuation mark that begins at `start`. */
export function endOfToken(text: string, start: number): number {
  const unit = text.charCodeAt(start)
  if (isSpace(unit)) return skipSpace(text, start)
  if (unit === QUOTE) return endOfString(text, start)
  return isPunctuation(unit) ? start + 1 : endOfWord(text, start)
}

function isPunctuation(unit: number): boolean {
  switch (unit) {
    case COMMA:
    case COLON:
    case OPEN_BRACE:
    case OPEN_BRACKET:
    case CLOSE_BRACE:
    case CLOSE_BRACKET:
      return true
    default:
      return false
  }
}
