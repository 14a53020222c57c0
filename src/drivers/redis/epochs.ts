/**
 * Decides whether "on no node" can be believed: it tells a partition that is empty from one that was lost. Each
 * partition bears an epoch, `random:createdAt`. A missing epoch, or a young one if another was known before, means that
 * the nodes are still writing their bindings again.
 */
export class Epochs {
  readonly #grace: number
  readonly #known = new Map<number, string>()
  /** New epochs that are not believed yet, and when they were first seen, by our monotonic clock. */
  readonly #seen = new Map<number, { readonly epoch: string; readonly at: number }>()
  /** The store's clock minus our monotonic clock, in ms, by the last reply that told the time. */
  #clockOffset: number | undefined
  /** Until when the store may have forgotten whoever it finds on no node, by our monotonic clock. */
  #doubtUntil = Number.NEGATIVE_INFINITY

  /** @param grace how many ms nodes may take to come back after a loss: a heartbeat, and a second for the work */
  constructor(grace: number) {
    this.#grace = grace
  }

  /** Takes the store's time from a reply, in ms since 1970. */
  tellTime(storeNow: number): void {
    this.#clockOffset = storeNow - performance.now()
  }

  /** Has to be called if the store may have forgotten the last writes that it confirmed. */
  doubt(): void {
    this.#doubtUntil = performance.now() + this.#grace
  }

  /** Whether the store may have forgotten whoever it finds on no node. */
  get isInDoubt(): boolean {
    return performance.now() < this.#doubtUntil
  }

  /** Learns the epoch that a partition has at first. Otherwise the first answer after a loss would be believed. */
  learn(part: number, epoch: string): void {
    if (!this.#known.has(part)) this.#known.set(part, epoch)
  }

  /** The partition's epoch, as long as its answers can be believed. */
  settled(part: number): string | undefined {
    return this.#seen.has(part) ? undefined : this.#known.get(part)
  }

  /** Whether the partition's answers can be believed, given the epoch that came with them. */
  isSettled(part: number, epoch: string | null | undefined): boolean {
    if (epoch === null || epoch === undefined) return false
    const known = this.#known.get(part)
    // Invariant R13: whoever is missing may just not be back yet.
    if (known !== undefined && known !== epoch && this.#ageOf(part, epoch) < this.#grace) return false
    if (known !== epoch) this.#known.set(part, epoch)
    this.#seen.delete(part)
    return true
  }

  #ageOf(part: number, epoch: string): number {
    const createdAt = Number(epoch.slice(epoch.indexOf(':') + 1))
    if (this.#clockOffset !== undefined) return performance.now() + this.#clockOffset - createdAt
    const seen = this.#seen.get(part)
    if (seen?.epoch === epoch) return performance.now() - seen.at
    this.#seen.set(part, { epoch, at: performance.now() })
    return 0
  }
}
