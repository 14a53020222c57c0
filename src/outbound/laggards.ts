import { LAG_LIMIT } from './lag.ts'

/** ms */
const CHECK_EVERY = 10

/** A connection that does not keep up. */
interface Laggard {
  /** `awaited`: something waits for the connection. `late`: the connection has lagged too long for that. */
  checkLag(now: number): 'none' | 'awaited' | 'late'
}

/**
 * Asks connections that do not keep up whether they have caught up. A socket tells that the kernel has taken everything only
 * if it was full before, so somebody has to ask; it costs nothing while nobody lags.
 */
export class Laggards {
  readonly #laggards = new Set<Laggard>()
  /** Whether the next look is due soon. */
  #isAlert = false
  #timer: NodeJS.Timeout | undefined

  add(laggard: Laggard): void {
    this.#laggards.add(laggard)
    if (this.#isAlert) return
    this.#isAlert = true
    clearTimeout(this.#timer)
    // TLS tells a turn of the event loop later that the kernel has taken what it was given.
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
    // Nobody waits for the others any more, so the process need not.
    if (!this.#isAlert) this.#timer.unref()
  }
}
