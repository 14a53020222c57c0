import { FlotillaError } from '../errors.ts'

interface Waiting {
  readonly size: number
  /** By the monotonic clock. */
  readonly deadline: number
  readonly admit: () => void
  readonly refuse: (error: FlotillaError) => void
  next: Waiting | undefined
}

/**
 * Bounds the bytes of a publisher's pushes that wait for the store. Pushes beyond the bound wait a while for room, first come,
 * first served, and as many bytes again may wait for it. So a publisher that is faster than its store is slowed down if it
 * awaits its pushes, and refused if it does not, but it never runs out of memory.
 */
export class Backpressure {
  readonly #limit: number
  readonly #patience: number
  #bytes = 0
  #outside = 0
  #first: Waiting | undefined
  #last: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #delayedCount = 0
  #refusedCount = 0
  readonly #whenIdle: (() => void)[] = []

  /**
   * @param limit in bytes
   * @param patience how long a push waits for room, in ms
   */
  constructor(limit: number, patience: number) {
    this.#limit = limit
    this.#patience = patience
  }

  /** Bytes that wait for the store now. */
  get bytes(): number {
    return this.#bytes
  }

  /** The number of pushes that had to wait for room. */
  get delayedCount(): number {
    return this.#delayedCount
  }

  /** The number of pushes that found no room in time. */
  get refusedCount(): number {
    return this.#refusedCount
  }

  /** Returns true if there was room; then `leave` must be called with the same size later. Otherwise call `wait`. */
  enter(size: number): boolean {
    if (this.#first !== undefined || !this.#hasRoom(size)) return false
    this.#bytes += size
    return true
  }

  /**
   * Starts a push once there is room and no other waits before it.
   *
   * @throws FlotillaError `FLT_OVERLOADED`
   */
  wait<T>(size: number, start: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#patience
      this.#add({ size, deadline, admit: () => resolve(start()), refuse: reject, next: undefined })
    })
  }

  leave(size: number): void {
    this.#bytes -= size
    this.#admitAll()
    if (this.#bytes === 0 && this.#first === undefined) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Resolves once nothing waits for the store, or for room. */
  idle(): Promise<void> {
    if (this.#bytes === 0 && this.#first === undefined) return Promise.resolve()
    return new Promise((resolve) => void this.#whenIdle.push(resolve))
  }

  /** Admits at once, not in a microtask: a push that is made before that must not overtake those that wait. */
  #admitAll(): void {
    while (this.#first !== undefined && this.#hasRoom(this.#first.size)) this.#admit(this.#first)
  }

  /** A push that is larger than the bound goes alone. */
  #hasRoom(size: number): boolean {
    return this.#bytes === 0 || this.#bytes + size <= this.#limit
  }

  #add(waiting: Waiting): void {
    // Invariant D10: the pushes that wait for room are bounded, too.
    if (this.#outside > 0 && this.#outside + waiting.size > this.#limit) return this.#refuse(waiting)
    this.#delayedCount++
    this.#outside += waiting.size
    if (this.#last === undefined) this.#first = waiting
    else this.#last.next = waiting
    this.#last = waiting
    this.#timer ??= this.#timeFirst(waiting)
  }

  #admit(waiting: Waiting): void {
    this.#remove(waiting)
    this.#bytes += waiting.size
    waiting.admit()
  }

  #refuse({ refuse }: Waiting): void {
    this.#refusedCount++
    const found = `${this.#limit} bytes of pushes wait for the store already (maxWaitingBytes)`
    refuse(new FlotillaError('FLT_OVERLOADED', `${found}: try again, and await pushes before you make more`))
  }

  #remove(first: Waiting): void {
    this.#outside -= first.size
    this.#first = first.next
    if (this.#first !== undefined) return
    this.#last = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** One timer for all that wait: each waits equally long, so the first one's deadline comes next. */
  #timeFirst({ deadline }: Waiting): NodeJS.Timeout {
    return setTimeout(() => this.#refuseLate(), Math.ceil(deadline - performance.now()))
  }

  #refuseLate(): void {
    const now = performance.now()
    while (this.#first !== undefined && this.#first.deadline <= now) {
      const late = this.#first
      this.#remove(late)
      this.#refuse(late)
    }
    this.#admitAll()
    clearTimeout(this.#timer)
    this.#timer = this.#first && this.#timeFirst(this.#first)
  }
}
