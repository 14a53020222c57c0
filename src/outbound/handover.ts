/**
 * The messages that were handed to connections together: those of one inbox entry, or of one push that was made on this
 * node. A connection that lags holds the handover until it has taken its messages. Connections that keep up, nearly all
 * of them, cost it nothing.
 */
export class Handover {
  /** The offset of the broadcast, or 0 if the messages are not a broadcast. */
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

  /**
   * Calls back once no connection holds the handover, which may be now. Only after the messages were written is it
   * known which connections lag: see `Flusher`.
   */
  whenFree(done: () => void): void {
    if (this.#holderCount === 0) done()
    else this.#done = done
  }
}
