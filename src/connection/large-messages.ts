/** Bytes from which on a message counts as large. */
const LARGE = 65_536
/** ms of the node that a large message may take without a rest after it. */
const CHEAP = 2

/**
 * Large messages are handled one at a time on a node, in the order in which they came, and whatever one of them takes, all
 * others have after it: however many clients send what is dear to read, they get half of the node.
 */
export class LargeMessages {
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  /** Whether a message may be handled now; if not, `again` is called once it may. */
  begin(bytes: number, again: () => void): boolean {
    if (bytes < LARGE) return true
    if (this.#isTaken) {
      this.#waiting.push(again)
      return false
    }
    this.#isTaken = true
    const start = performance.now()
    // By then it was read and its handler has begun, whatever that waits for.
    setImmediate(() => this.#rest(performance.now() - start))
    return true
  }

  #rest(taken: number): void {
    if (taken < CHEAP) this.#free()
    else setTimeout(() => this.#free(), taken)
  }

  #free(): void {
    this.#isTaken = false
    // Whoever waited may not want its turn any more.
    while (!this.#isTaken && this.#waiting.length > 0) this.#waiting.shift()!()
  }
}
