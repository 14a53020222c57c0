/** A message of at least this many bytes is large. */
const LARGE = 65_536
/** ms. A large message that takes less than this needs no rest after it. */
const CHEAP = 2

/**
 * Handles large messages one at a time on this node, in order of arrival. After each there is a rest that lasts as long
 * as the message took. However many clients send messages that are expensive to read, everybody else gets half of the
 * node's time.
 */
export class LargeMessages {
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  /** Returns whether a message may be handled now. If not, `again` is called once it may. */
  begin(bytes: number, again: () => void): boolean {
    if (bytes < LARGE) return true
    if (this.#isTaken) {
      this.#waiting.push(again)
      return false
    }
    this.#isTaken = true
    const start = performance.now()
    // By the next turn the message was read and its handler has begun. What the handler waits for does not count.
    setImmediate(() => this.#rest(performance.now() - start))
    return true
  }

  #rest(taken: number): void {
    if (taken < CHEAP) this.#free()
    else setTimeout(() => this.#free(), taken)
  }

  #free(): void {
    this.#isTaken = false
    // A connection that waited may no longer need its turn; then the next one gets it.
    while (!this.#isTaken && this.#waiting.length > 0) this.#waiting.shift()!()
  }
}
