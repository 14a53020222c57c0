import type { Entry } from '../entry.ts'

/** Entries in order, numbered without a gap. The oldest are forgotten first. */
export class Stream {
  #entries: Entry[] = []
  #first: number
  #bytes = 0
  readonly #micros: () => number

  /** @param micros the store's clock. A stream's positions begin with it, so they are greater than all of an earlier stream. */
  constructor(micros: () => number) {
    this.#micros = micros
    this.#first = micros()
  }

  /** The position of the newest entry. If all are forgotten, that of the last one that was forgotten. */
  get last(): number {
    return this.#first + this.#entries.length - 1
  }

  /** An empty stream takes a batch of any size, otherwise such a batch would be refused for ever. */
  hasRoomFor(size: number, bound: number): boolean {
    return this.#entries.length === 0 || this.#bytes + size <= bound
  }

  append(bytes: Uint8Array): void {
    const offset = this.last + 1
    this.#entries.push({ position: String(offset), bytes: bytes.slice(), offset, at: this.#micros() })
    this.#bytes += bytes.length
  }

  /** Appends entries that are in the stream already. They take no more room. */
  repeat(entries: readonly Entry[]): void {
    const at = this.#micros()
    for (const { bytes, offset } of entries) {
      this.#entries.push({ position: String(this.last + 1), bytes, offset, at, isReplay: true })
    }
  }

  after(position: number, limit: number): readonly Entry[] {
    const from = Math.max(0, position + 1 - this.#first)
    return this.#entries.slice(from, from + limit)
  }

  /** The first entry after a position. */
  firstAfter(position: number): Entry | undefined {
    return this.#entries[Math.max(0, position + 1 - this.#first)]
  }

  forgetUpTo(position: number): void {
    const forgotten = this.#entries.splice(0, position + 1 - this.#first)
    this.#first += forgotten.length
    for (const { bytes, isReplay } of forgotten) if (isReplay !== true) this.#bytes -= bytes.length
  }
}
