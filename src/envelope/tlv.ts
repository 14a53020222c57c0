import { FlotillaError } from '../errors.ts'

const utf8 = new TextEncoder()
/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const MAX_UTF8 = 3
/** The most bytes that a number below 2^53 takes. */
const MAX_VARINT = 8
/** Texts up to this length are copied unit by unit, because calling the encoder or decoder takes longer. */
const SHORT_WRITE = 24
const SHORT_READ = 8
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes tag-length-value fields. Numbers are LEB128 varints, seven bits a byte, up to 2^53 - 1. */
export class TlvWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity)
  }

  text(tag: number, value: string): void {
    const at = this.begin(tag, value.length * MAX_UTF8)
    this.#utf8(value)
    this.end(at)
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

  /** Writes a number and a text into one field, such as a stamp and its uid or group. */
  numberedText(tag: number, number: number, text: string): void {
    const at = this.begin(tag, varintLength(number) + text.length * MAX_UTF8)
    this.varint(number)
    this.#utf8(text)
    this.end(at)
  }

  /**
   * Begins a field. All that is written until `end` is its content, and `end` fills in the length, so that nothing has
   * to be measured or copied beforehand. If `sizeHint` is too small, `end` may have to move the content.
   */
  begin(tag: number, sizeHint: number): number {
    this.varint(tag)
    return this.beginSized(sizeHint)
  }

  /** Like `begin`, but writes no tag. */
  beginSized(sizeHint: number): number {
    const width = varintLength(sizeHint)
    this.#reserve(width)
    this.#bytes[this.#length] = width
    this.#length += width
    return this.#length - width
  }

  /** @param at the return value of `begin` */
  end(at: number): void {
    const hinted = this.#bytes[at]!
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

  /** A view of the bytes written so far. Copy it before the writer is used again. */
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

  /** Writes a short ASCII text, as most ids are; returns false if the text is not one. */
  #shortAscii(value: string): boolean {
    if (value.length > SHORT_WRITE) return false
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

  /**
   * Writes a varint of a given width. A number may be wider than it needs to be, so its size need not be known first.
   */
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
  if (!Number.isSafeInteger(value) || value < 0) throw broken(`${value} is not a whole number from 0 to 2^53 - 1`)
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

/** Reads fields that a `TlvWriter` wrote. The bytes may be hostile, so it checks all it reads. */
export class TlvReader {
  readonly #bytes: Uint8Array
  #at = 0
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  /** Whether the field that was entered, or the whole input if none was, has been read to its end. */
  get done(): boolean {
    return this.#at >= this.#end
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < MAX_VARINT; count++) {
      if (this.#at >= this.#end) throw broken('a number is cut off')
      const byte = this.#bytes[this.#at++]!
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

  /** Enters a field that contains fields. `leave` ends it. Returns the end of the outer field. */
  enter(): number {
    const length = this.varint()
    const outerEnd = this.#end
    const end = this.#at + length
    if (end > outerEnd) throw broken('a field is cut off')
    this.#end = end
    return outerEnd
  }

  /** @param outerEnd the return value of `enter` */
  leave(outerEnd: number): void {
    this.#at = this.#end
    this.#end = outerEnd
  }

  /** The next field's bytes, as a view. */
  value(): Uint8Array {
    const outerEnd = this.enter()
    const value = this.#bytes.subarray(this.#at, this.#end)
    this.leave(outerEnd)
    return value
  }

  skip(): void {
    this.leave(this.enter())
  }

  text(): string {
    const outerEnd = this.enter()
    const text = this.restAsText()
    this.leave(outerEnd)
    return text
  }

  number(): number {
    const outerEnd = this.enter()
    const number = this.varint()
    if (!this.done) throw broken('further bytes follow a number in its field')
    this.leave(outerEnd)
    return number
  }

  /** The rest of the field that was entered, as text. */
  restAsText(): string {
    return shortAscii(this.#bytes, this.#at, this.#end) ?? decodeText(this.#bytes.subarray(this.#at, this.#end))
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw broken('a text is not valid UTF-8', cause)
  }
}

/**
 * Reads a short ASCII text, `undefined` if it is not one. Without this, a list of short ids is mostly decoder calls.
 */
function shortAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT_READ) return undefined
  let text = ''
  for (let at = start; at < end; at++) {
    const unit = bytes[at]!
    if (unit >= 0x80) return undefined
    text += String.fromCharCode(unit)
  }
  return text
}

export function broken(flaw: string, cause?: unknown): FlotillaError {
  return new FlotillaError('FLT_BAD_ENVELOPE', `not a valid batch: ${flaw}`, { cause })
}
