const EVERY_MS = 5

/** Measures the longest time in which the event loop of this process did not get a turn. */
export class Standstill {
  #longest = 0
  #last = performance.now()

  constructor() {
    setInterval(() => this.#look(), EVERY_MS).unref()
  }

  begin() {
    this.#last = performance.now()
    this.#longest = 0
    return {}
  }

  /** In ms, since `begin`. */
  get longest() {
    this.#look()
    return this.#longest
  }

  #look() {
    const now = performance.now()
    this.#longest = Math.max(this.#longest, now - this.#last - EVERY_MS)
    this.#last = now
  }
}
