/** Repeats a look until it is told to stop. Looks never overlap. */
export class Lookout {
  readonly #timer: NodeJS.Timeout
  readonly #look: () => Promise<void>
  #isLooking = false

  constructor(every: number, look: () => Promise<void>) {
    this.#look = look
    this.#timer = setInterval(() => void this.#lookOnce(), every)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #lookOnce(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      await this.#look()
    } catch {
      // A failed look is skipped, because a node or a store that cannot answer is one of the faults.
    } finally {
      this.#isLooking = false
    }
  }
}
