import type { Logger } from '../logger.ts'

const HOUR = 3_600_000
/** A trusted range may hold any number of proxies: of more than these none is remembered, or logged. */
const MAX_PROXIES = 100
const MAX_SHOWN = 100

/** Logs what trusted proxies write into `X-Forwarded-For` and is no address: once for each proxy and hour. */
export class UnreadableHops {
  readonly #logger: Logger
  readonly #logged = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(proxy: string, hop: string): void {
    if (this.#logged.has(proxy) || this.#logged.size >= MAX_PROXIES) return
    this.#logged.add(proxy)
    setTimeout(() => this.#logged.delete(proxy), HOUR).unref()
    this.#logger.warn(
      { proxy, hop: hop.slice(0, MAX_SHOWN) },
      'a trusted proxy sends an X-Forwarded-For that does not end in an address, so its clients all count as the ' +
        'proxy, also for the limits per address: let it send the address of its client',
    )
  }
}
