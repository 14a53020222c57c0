import { COMMA, endOfString, endOfValue, QUOTE, skipSpace } from './json-scan.ts'

/**
 * A value parsed from a JSON text, together with its place in that text. A message that the server only passes on can
 * thus go out exactly as it arrived, with every digit of its numbers.
 */
export class JsonSource {
  readonly value: unknown
  readonly #text: string
  readonly #start: number

  private constructor(value: unknown, text: string, start: number) {
    this.value = value
    this.#text = text
    this.#start = start
  }

  /** @throws SyntaxError */
  static parse(text: string): JsonSource {
    return new JsonSource(JSON.parse(text), text, skipSpace(text, 0))
  }

  /** The value's JSON exactly as it stands in the source text. */
  get text(): string {
    return this.#text.slice(this.#start, endOfValue(this.#text, this.#start))
  }

  /** A member of this object, which MUST exist. If its name is repeated, the last one counts, as in `JSON.parse`. */
  member(name: string): JsonSource {
    let found = this.#start
    let at = skipSpace(this.#text, this.#start + 1)
    while (this.#text.charCodeAt(at) === QUOTE) {
      const nameEnd = endOfString(this.#text, at)
      const colon = skipSpace(this.#text, nameEnd)
      const start = skipSpace(this.#text, colon + 1)
      if (isName(this.#text, at, nameEnd, name)) found = start
      at = nextItem(this.#text, start)
    }
    return new JsonSource((this.value as Record<string, unknown>)[name], this.#text, found)
  }

  /** The items of this value. The value MUST be an array. */
  items(): JsonSource[] {
    let at = skipSpace(this.#text, this.#start + 1)
    return (this.value as unknown[]).map((value) => {
      const start = at
      at = nextItem(this.#text, start)
      return new JsonSource(value, this.#text, start)
    })
  }
}

/** The position of the next item or member, or of the bracket that closes the list. */
function nextItem(text: string, start: number): number {
  const at = skipSpace(text, endOfValue(text, start))
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at
}

/** The most characters that one character of a name may take, as the escape `\u006d` does. */
const MAX_ESCAPE = 6

function isName(text: string, start: number, end: number, name: string): boolean {
  const length = end - start - 2
  if (length === name.length) return text.startsWith(name, start + 1)
  if (length < name.length || length > name.length * MAX_ESCAPE) return false
  return JSON.parse(text.slice(start, end)) === name
}
