import { TokenBucket } from './token-bucket.ts'

/** The most keys that one limit remembers. A bucket and its key take about 200 bytes. */
const MAX_KEYS = 100_000

/** One bucket for each key, such as a user or a network. A full bucket limits nothing, so it is forgotten. */
export class KeyedBuckets {
  readonly #perSecond: number
  readonly #burst: number
  readonly #maxKeys: number
  readonly #buckets = new Map<string, TokenBucket>()
  /** Goes round the map forever. Finding a map's first entry is slow once many entries before it were deleted. */
  #round = this.#buckets.entries()

  constructor(perSecond: number, burst: number, maxKeys = MAX_KEYS) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes one token from the key's bucket. False if the bucket is empty. */
  take(key: string, now: number): boolean {
    this.#tidy(now)
    return this.#bucketOf(key, now).take(now)
  }

  #bucketOf(key: string, now: number): TokenBucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    while (this.#buckets.size >= this.#maxKeys) this.#forgetNext(() => true)
    const bucket = new TokenBucket(this.#perSecond, this.#burst, now)
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Checks two buckets on each call, which adds one at most. So it gets round to all buckets without a timer. */
  #tidy(now: number): void {
    this.#forgetNext((bucket) => bucket.isFull(now))
    this.#forgetNext((bucket) => bucket.isFull(now))
  }

  #forgetNext(isDue: (bucket: TokenBucket) => boolean): void {
    const { value, done } = this.#round.next()
    if (done === true) this.#round = this.#buckets.entries()
    else if (isDue(value[1])) this.#buckets.delete(value[0])
  }
}
