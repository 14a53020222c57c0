import type { Logger } from '../logger.ts'

const HOUR = 3_600_000
/** A trusted range may hold any number of proxies: no more than these are remembered and logged. */
const MAX_PROXIES = 100
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
      'a trusted proxy writes something other than an address into X-Forwarded-For, so its clients count as the proxy ' +
        'and share its limits per address: configure it to send the address of its client',
    )
  }
}
