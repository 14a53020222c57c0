import type { Logger } from '../logger.ts'

/** ms */
const HOUR = 3_600_000
/** A trusted range may contain any number of proxies: at most this many are remembered and logged. */
const MAX_PROXIES = 100
/** Characters of an entry that are logged. */
const MAX_SHOWN = 100

/** Logs once per proxy and hour that a trusted proxy wrote something other than an address into `X-Forwarded-For`. */
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
      'a trusted proxy writes something other than an address into X-Forwarded-For, so its clients all count as the ' +
        'proxy and share its limits per address: configure the proxy to send the address of each client',
    )
  }
}
