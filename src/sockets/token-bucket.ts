/** Seconds' worth that may come at once: who reconnects, or pastes a page, is no flood. */
const BURST = 5

/** So many a second for as long as one likes, and five seconds' worth at once. */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #filledAt = performance.now()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond * BURST
  }

  /** False where there is none left. */
  take(now: number): boolean {
    this.#fill(now)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** ms until it is as if it had never been used. */
  get missing(): number {
    this.#fill(performance.now())
    return ((this.#perSecond * BURST - this.#tokens) / this.#perSecond) * 1_000
  }

  #fill(now: number): void {
    const fresh = ((now - this.#filledAt) / 1_000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond * BURST, this.#tokens + fresh)
    this.#filledAt = now
  }
}
