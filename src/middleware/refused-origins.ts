import type { Logger } from '../logger.ts'

/** ms between two lines in the log. Whoever can connect can have an origin refused, as often as they like. */
const PAUSE = 10_000

/** Logs the refusals of origins: the first one at once, and then one in ten seconds, with the number left out. */
export class RefusedOrigins {
  #nextAt = 0
  #leftOut = 0

  /** @param shown the headers as they may stand in a log */
  add(log: Logger, shown: { readonly origin: string; readonly host: string }): void {
    const now = performance.now()
    if (now < this.#nextAt) {
      this.#leftOut++
      return
    }
    log.warn(
      { ...shown, leftOut: this.#leftOut },
      'a page was refused, because its origin is not allowed: if it is yours, add the origin to allowOrigins([…]) or ' +
        '--origins, or, if only the host is wrong, let the proxy in front pass on the Host header',
    )
    this.#nextAt = now + PAUSE
    this.#leftOut = 0
  }
}
