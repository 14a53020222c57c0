const FIRST_SWEEP = 1_000

/** Forgets what has lapsed, without timers: it sweeps now and then, and so holds at most twice what is still valid. */
export class ExpiringMap<K, V> {
  readonly #entries = new Map<K, { readonly value: V; readonly until: number }>()
  #sweepAt = FIRST_SWEEP

  get(key: K, now: number): V | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined || entry.until <= now ? undefined : entry.value
  }

  /** A new value never shortens the life that the key had left. */
  set(key: K, value: V, now: number, ttl: number): void {
    const until = Math.max(now + ttl, this.#entries.get(key)?.until ?? 0)
    this.#entries.set(key, { value, until })
    if (this.#entries.size >= this.#sweepAt) this.#sweep(now)
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  #sweep(now: number): void {
    for (const [key, { until }] of this.#entries) if (until <= now) this.#entries.delete(key)
    this.#sweepAt = Math.max(FIRST_SWEEP, this.#entries.size * 2)
  }
}
