import { TokenBucket } from './token-bucket.ts'

/** As many as one limit remembers at most: what a bucket and its key take is about 200 bytes. */
const MAX_KEYS = 100_000

/** A bucket for each user, network or whatever else is counted. One that is full is as good as none, and is forgotten. */
export class KeyedBuckets {
  readonly #perSecond: number
  readonly #burst: number
  readonly #maxKeys: number
  readonly #buckets = new Map<string, TokenBucket>()
  /** Goes round and round: a map's first entry is dear to find once many before it were deleted. */
  #round = this.#buckets.entries()

  constructor(perSecond: number, burst: number, maxKeys = MAX_KEYS) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#buckets.size
  }

  /** False if there is none left. */
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

  /** Looks at two for each that may be added, and so gets round to all of them without a timer. */
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
