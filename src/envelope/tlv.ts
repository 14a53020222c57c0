import { FlotillaError } from '../errors.ts'

const utf8 = new TextEncoder()
/** Bytes of one UTF-16 unit in UTF-8, at most. */
const MAX_UTF8 = 3
/** Bytes of a number below 2^53. */
const MAX_VARINT = 8
const SHORT = 24
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

  /** A number and a text in one field: what a stamped uid or group is. */
  numberedText(tag: number, number: number, text: string): void {
    const at = this.begin(tag, varintLength(number) + text.length * MAX_UTF8)
    this.varint(number)
    this.#utf8(text)
    this.end(at)
  }

  /**
   * Begins a field made of what is written until `end`, whose length is filled in then: so that nothing has to be
   * measured, or copied, before it is written. The closer `sizeHint` is to its size, the less is moved.
   */
  begin(tag: number, sizeHint: number): number {
    this.varint(tag)
    return this.beginSized(sizeHint)
  }

  /** The same without a tag. */
  beginSized(sizeHint: number): number {
    const width = varintLength(sizeHint)
    this.#reserve(width)
    this.#bytes[this.#length] = width
    this.#length += width
    return this.#length - width
  }

  /** @param at what `begin` returned */
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
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  /** Whether the field that was entered, or all of it, has been read. */
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

  /** Goes into a field that is made of fields, until `leave`. */
  enter(): number {
    const length = this.varint()
    const outerEnd = this.#end
    const end = this.#at + length
    if (end > outerEnd) throw broken('a field is cut off')
    this.#end = end
    return outerEnd
  }

  /** @param outerEnd what `enter` returned */
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
    if (!this.done) throw broken('a number is followed by more')
    this.leave(outerEnd)
    return number
  }

  /** What is left of the field that was entered, as text. */
  restAsText(): string {
    return shortAscii(this.#bytes, this.#at, this.#end) ?? decodeText(this.#bytes.subarray(this.#at, this.#end))
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw broken('a text is not UTF-8', cause)
  }
}

/** The call into the decoder takes longer than the loop, and most of the time that a list of short ids takes. */
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

export function broken(what: string, cause?: unknown): FlotillaError {
  return new FlotillaError('FLT_BAD_ENVELOPE', `not an envelope of ours: ${what}`, { cause })
}
