/**
 * Remembers each key for at least `keepFor` ms, and for at most twice as long. It needs no timer and no time per key:
 * it keeps two sets, and drops the older one as a whole.
 */
export class Recent {
  readonly #keepFor: number
  readonly #limit: number
  #young = new Set<string>()
  #old = new Set<string>()
  #turnedAt = performance.now()

  /**
   * @param keepFor in ms
   * @param limit of keys in each set. If a set is full, the oldest keys are forgotten early.
   */
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
