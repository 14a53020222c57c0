import { FlotillaError } from '../errors.ts'

const utf8 = new TextEncoder()
/** Bytes of one UTF-16 unit in UTF-8, at most. */
const MAX_UTF8 = 3
/** Bytes of a number below 2^53. */
const MAX_VARINT = 8
const SHORT = 24
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes tag-length-value fields. Numbers are LEB128 varints, seven bits a byte, up to 2^53 - 1. */
export class TlvWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity)
  }

  text(tag: number, value: string): void {
    this.nested(tag, value.length * MAX_UTF8, () => this.#utf8(value))
  }

  bytes(tag: number, value: Uint8Array): void {
    this.varint(tag)
    this.varint(value.length)
    this.raw(value)
  }

  number(tag: number, value: number): void {
    this.varint(tag)
    this.varint(varintLength(value))
    this.varint(value)
  }

  /** A number and a text in one field: what a stamped uid or group is. */
  numberedText(tag: number, number: number, text: string): void {
    this.nested(tag, varintLength(number) + text.length * MAX_UTF8, () => {
      this.varint(number)
      this.#utf8(text)
    })
  }

  /** A field made of fields. The closer `sizeHint` is to its size, the less is moved. */
  nested(tag: number, sizeHint: number, write: () => void): void {
    this.varint(tag)
    this.sized(sizeHint, write)
  }

  /** A length, then what `write` writes: so that nothing has to be measured, or copied, before it is written. */
  sized(sizeHint: number, write: () => void): void {
    const at = this.#length
    const hinted = varintLength(sizeHint)
    this.#reserve(hinted)
    this.#length += hinted
    write()
    const size = this.#length - at - hinted
    const width = Math.max(hinted, varintLength(size))
    if (width > hinted) this.#widen(at + hinted, width - hinted)
    this.#patch(at, width, size)
  }

  varint(value: number): void {
    this.#reserve(MAX_VARINT)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** A view of what was written: copy it before the writer is used again. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  reset(): void {
    this.#length = 0
  }

  #utf8(value: string): void {
    this.#reserve(value.length * MAX_UTF8)
    if (this.#shortAscii(value)) return
    this.#length += utf8.encodeInto(value, this.#bytes.subarray(this.#length)).written
  }

  /** Most ids are: the call into the encoder takes longer than the loop. */
  #shortAscii(value: string): boolean {
    if (value.length > SHORT) return false
    const at = this.#length
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index)
      if (unit >= 0x80) return false
      this.#bytes[at + index] = unit
    }
    this.#length += value.length
    return true
  }

  #widen(at: number, by: number): void {
    this.#reserve(by)
    this.#bytes.copyWithin(at + by, at, this.#length)
    this.#length += by
  }

  /** A varint of a given width: zeroes in front are allowed, and spare measuring first. */
  #patch(at: number, width: number, value: number): void {
    let rest = value
    for (let index = at; index < at + width - 1; index++) {
      this.#bytes[index] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[at + width - 1] = rest
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
  if (!Number.isSafeInteger(value) || value < 0) throw broken(`${value} is not a number from 0 to 2^53 - 1`)
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
    for (let count = 0; count < MAX_VARINT; count++) {
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

  tag(): number {
    return this.varint()
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

  /** The fields of a nested field. */
  fields(): TlvReader {
    return new TlvReader(this.value())
  }

  text(): string {
    return decodeText(this.value())
  }

  number(): number {
    const inner = this.fields()
    const number = inner.varint()
    if (!inner.done) throw broken('a number is followed by more')
    return number
  }

  numberedText(): { number: number; text: string } {
    const inner = this.fields()
    const number = inner.varint()
    return { number, text: decodeText(inner.#bytes.subarray(inner.#at)) }
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw broken('a text is not UTF-8', cause)
  }
}

export function broken(what: string, cause?: unknown): FlotillaError {
  return new FlotillaError('FLT_BAD_ENVELOPE', `not an envelope of ours: ${what}`, { cause })
}
