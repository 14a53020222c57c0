/**
 * Says how far "nobody" can be believed: tells a part of the store that is empty from one that was lost. Each part bears an epoch, `random:createdAt`; a
 * missing one, or a young one where an older was known, means that the nodes are only writing their bindings again.
 */
export class Epochs {
  readonly #grace: number
  readonly #known = new Map<number, string>()
  /** New epochs that are not believed yet, with when they were first seen, by our monotonic clock. */
  readonly #seen = new Map<number, { readonly epoch: string; readonly at: number }>()
  /** The store's clock minus our monotonic one, in ms, as the last reply that told the time had it. */
  #clockOffset: number | undefined
  /** Until when what is found nowhere may be what the store has forgotten, by our monotonic clock. */
  #doubtUntil = Number.NEGATIVE_INFINITY

  /** @param grace ms that the nodes may take to come back after a loss: a heartbeat, and a second for the work */
  constructor(grace: number) {
    this.#grace = grace
  }

  /** The store has told the time, in ms since 1970. */
  tellTime(storeNow: number): void {
    this.#clockOffset = storeNow - performance.now()
  }

  /** The store may have forgotten the last of what it answered. */
  doubt(): void {
    this.#doubtUntil = performance.now() + this.#grace
  }

  /** Whether what is found nowhere may be what the store has forgotten. */
  get isInDoubt(): boolean {
    return performance.now() < this.#doubtUntil
  }

  /** What a part bore before anything was asked of it: without it, the first answer after a loss would be believed. */
  learn(part: number, epoch: string): void {
    if (!this.#known.has(part)) this.#known.set(part, epoch)
  }

  /** What a part bears as long as what it says can be believed. */
  settled(part: number): string | undefined {
    return this.#seen.has(part) ? undefined : this.#known.get(part)
  }

  /** Whether what this part says can be believed. */
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
