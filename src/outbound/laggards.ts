import { LAG_LIMIT } from './lag.ts'
import type { Outbox } from './outbox.ts'

/** ms */
const CHECK_EVERY = 10

/**
 * Looks after the outboxes whose connections do not keep up. A socket says that the kernel has taken everything only
 * where it was full before; so they are asked, which costs nothing while nobody lags.
 */
export class Laggards {
  readonly #outboxes = new Set<Outbox>()
  /** Whether the next look is due soon. */
  #isAlert = false
  #timer: NodeJS.Timeout | undefined

  add(outbox: Outbox): void {
    this.#outboxes.add(outbox)
    if (this.#isAlert) return
    this.#isAlert = true
    clearTimeout(this.#timer)
    // TLS tells a turn of the event loop later that the kernel has taken what it was given.
    setImmediate(this.#check)
  }

  readonly #check = (): void => {
    const now = performance.now()
    this.#isAlert = false
    for (const outbox of this.#outboxes) {
      const state = outbox.checkLag(now)
      if (state === 'none') this.#outboxes.delete(outbox)
      else if (state === 'awaited') this.#isAlert = true
    }
    if (this.#outboxes.size === 0) return
    this.#timer = setTimeout(this.#check, this.#isAlert ? CHECK_EVERY : LAG_LIMIT)
    // Nobody waits for the others any more, so the process need not.
    if (!this.#isAlert) this.#timer.unref()
  }
}
