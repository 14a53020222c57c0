/**
 * Remembers keys for at least so long, and for at most twice as long, with two sets and no timer: the older one is
 * dropped whole.
 */
export class Recent {
  readonly #keepFor: number
  readonly #limit: number
  #young = new Set<string>()
  #old = new Set<string>()
  #turnedAt = performance.now()

  /** @param keepFor ms. @param limit of keys that either set holds: beyond it, the oldest are forgotten early. */
  constructor(keepFor: number, limit: number) {
    this.#keepFor = keepFor
    this.#limit = limit
  }

  add(key: string): void {
    this.#turn()
    this.#young.add(key)
  }

  get isEmpty(): boolean {
    return this.#young.size + this.#old.size === 0
  }

  has(key: string): boolean {
    this.#turn()
    return this.#young.has(key) || this.#old.has(key)
  }

  #turn(): void {
    const now = performance.now()
    const age = now - this.#turnedAt
    if (age < this.#keepFor && this.#young.size < this.#limit) return
    this.#old = age < 2 * this.#keepFor ? this.#young : new Set()
    this.#young = new Set()
    this.#turnedAt = now
  }
}
