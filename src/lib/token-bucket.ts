/** Seconds' worth of tokens that may be used at once. A client that reconnects, or pastes a page, is not a flood. */
export const BURST = 5

/** Allows `perSecond` tokens a second without end, and `burst` at once: by default the tokens of five seconds. */
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

  /** Takes one token. False if the bucket is empty. */
  take(now: number): boolean {
    this.#fill(now)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Whether the bucket is full, as if it had never been used. */
  isFull(now: number): boolean {
    this.#fill(now)
    return this.#tokens >= this.#burst
  }

  /** ms until the bucket is full. */
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
