import { FlotillaError } from '../errors.ts'

const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes tag-length-value fields. Numbers are LEB128 varints, seven bits a byte, up to 2^53 - 1. */
export class TlvWriter {
  #bytes = new Uint8Array(512)
  #length = 0

  text(tag: number, value: string): this {
    return this.bytes(tag, utf8.encode(value))
  }

  bytes(tag: number, value: Uint8Array): this {
    this.varint(tag)
    this.varint(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  number(tag: number, value: number): this {
    this.varint(tag)
    this.varint(varintLength(value))
    return this.varint(value)
  }

  /** A number and a text in one field: what a stamped uid or group is. */
  numberedText(tag: number, number: number, text: string): this {
    const value = utf8.encode(text)
    this.varint(tag)
    this.varint(varintLength(number) + value.length)
    this.varint(number)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  varint(value: number): this {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  /** A view of what was written: copy it before the writer is used again. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

/** Reads what a `TlvWriter` wrote, and refuses everything else: what it reads may be hostile. */
export class TlvReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw broken('a number is cut off')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break
        return value
      }
      scale *= 0x80
    }
    throw broken('a number is too large')
  }

  /** The next field's bytes, as a view. */
  value(): Uint8Array {
    const length = this.varint()
    const end = this.#at + length
    if (end > this.#bytes.length) throw broken('a field is cut off')
    const value = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return value
  }

  text(): string {
    return decodeText(this.value())
  }

  number(): number {
    return new TlvReader(this.value()).varint()
  }

  numberedText(): { number: number; text: string } {
    const inner = new TlvReader(this.value())
    const number = inner.varint()
    return { number, text: decodeText(inner.#bytes.subarray(inner.#at)) }
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw new FlotillaError('FLT_BAD_ENVELOPE', 'a text is not UTF-8', { cause })
  }
}

function broken(what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_ENVELOPE', `not an envelope of ours: ${what}`)
}
