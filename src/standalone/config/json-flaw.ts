const SPACE = /[ \t\n\r]*/y
const TEXT = String.raw`"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})[^"\\\u0000-\u001f]*)*"`
const NAME = new RegExp(String.raw`${TEXT}[ \t\n\r]*:`, 'y')
const SCALAR = new RegExp(String.raw`${TEXT}|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null`, 'y')

/**
 * Says where a text stops being JSON (RFC 8259), such as `line 3, column 5`, without quoting it. The error of `JSON.parse`
 * quotes the text, which may be a secret, and names the place only in some versions of Node.
 */
export function jsonFlaw(text: string): string {
  const before = text.slice(0, flawIndex(text)).split('\n')
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`
}

function flawIndex(text: string): number {
  const reader = new Reader(text)
  const closers: string[] = []
  for (;;) {
    if (reader.takes('{')) {
      if (!reader.takes('}')) {
        if (!reader.matches(NAME)) return reader.index
        closers.push('}')
        continue
      }
    } else if (reader.takes('[')) {
      if (!reader.takes(']')) {
        closers.push(']')
        continue
      }
    } else if (!reader.matches(SCALAR)) return reader.index
    while (closers.length > 0 && reader.takes(closers.at(-1)!)) closers.pop()
    if (closers.length === 0 || !reader.takes(',')) return reader.index
    if (closers.at(-1) === '}' && !reader.matches(NAME)) return reader.index
  }
}

/** Reads a text piece by piece. `index` is the end of what was read and of the white space after it. */
class Reader {
  index = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
    this.#skip(SPACE)
  }

  takes(sign: string): boolean {
    if (this.#text[this.index] !== sign) return false
    this.index++
    this.#skip(SPACE)
    return true
  }

  matches(pattern: RegExp): boolean {
    if (!this.#skip(pattern)) return false
    this.#skip(SPACE)
    return true
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.index
    if (!pattern.test(this.#text)) return false
    this.index = pattern.lastIndex
    return true
  }
}
