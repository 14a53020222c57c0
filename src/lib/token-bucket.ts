/** Seconds' worth that may come at once: who reconnects, or pastes a page, is no flood. */
export const BURST = 5

/** So many a second for as long as one likes, and five seconds' worth at once unless told otherwise. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, burst = perSecond * BURST, now = performance.now()) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#filledAt = now
  }

  /** False where there is none left. */
  take(now: number): boolean {
    this.#fill(now)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Whether it is as if it had never been used. */
  isFull(now: number): boolean {
    this.#fill(now)
    return this.#tokens >= this.#burst
  }

  /** ms until it is as if it had never been used. */
  get missing(): number {
    this.#fill(performance.now())
    return ((this.#burst - this.#tokens) / this.#perSecond) * 1_000
  }

  #fill(now: number): void {
    const fresh = ((now - this.#filledAt) / 1_000) * this.#perSecond
    this.#tokens = Math.min(this.#burst, this.#tokens + fresh)
    this.#filledAt = now
  }
}
