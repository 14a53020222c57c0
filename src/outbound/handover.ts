/**
 * What was handed to connections together: an entry of the inbox, or a push made here. Connections that lag hold it until
 * they have taken it; the others, nearly all, cost it nothing.
 */
export class Handover {
  /** Of a broadcast among all of them. */
  readonly offset: number
  #holderCount = 0
  #done: (() => void) | undefined

  constructor(offset = 0) {
    this.offset = offset
  }

  hold(): void {
    this.#holderCount++
  }

  release(): void {
    this.#holderCount--
    if (this.#holderCount > 0) return
    const done = this.#done
    this.#done = undefined
    done?.()
  }

  /** Calls back once nobody holds it, which may be now. Only what has been written knows who lags: see `Flusher`. */
  whenFree(done: () => void): void {
    if (this.#holderCount === 0) done()
    else this.#done = done
  }
}
