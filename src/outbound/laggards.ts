import { LAG_LIMIT } from './lag.ts'

/** ms */
const CHECK_EVERY = 10

/** A connection that does not keep up. */
interface Laggard {
  /**
   * `awaited`: a handover may wait for the connection. `late`: the connection has lagged for too long, so none does.
   */
  checkLag(now: number): 'none' | 'awaited' | 'late'
}

/**
 * Asks connections that lag whether they have caught up. A socket only reports that the kernel has taken everything if
 * it was full before, so it has to be asked. While no connection lags, this costs nothing.
 */
export class Laggards {
  readonly #laggards = new Set<Laggard>()
  /** Whether the next check comes soon. */
  #isAlert = false
  #timer: NodeJS.Timeout | undefined

  add(laggard: Laggard): void {
    this.#laggards.add(laggard)
    if (this.#isAlert) return
    this.#isAlert = true
    clearTimeout(this.#timer)
    // TLS reports one turn of the event loop late that the kernel has taken its bytes.
    setImmediate(this.#check)
  }

  readonly #check = (): void => {
    const now = performance.now()
    this.#isAlert = false
    for (const laggard of this.#laggards) {
      const state = laggard.checkLag(now)
      if (state === 'none') this.#laggards.delete(laggard)
      else if (state === 'awaited') this.#isAlert = true
    }
    if (this.#laggards.size === 0) return
    this.#timer = setTimeout(this.#check, this.#isAlert ? CHECK_EVERY : LAG_LIMIT)
    // No handover waits for the connections that are left, so they must not keep the process alive.
    if (!this.#isAlert) this.#timer.unref()
  }
}
