import type { Uid } from '../envelope/ids.ts'

interface Hold {
  count: number
  readonly released: Promise<void>
  readonly resolve: () => void
}

/** Users for whom something may be parked that they have not been handed yet: what comes for them waits behind it. */
export class HeldUsers {
  readonly #holds = new Map<Uid, Hold>()

  /** As often as it is called, `release` has to be. */
  hold(uid: Uid): void {
    const known = this.#holds.get(uid)
    if (known !== undefined) {
      known.count++
      return
    }
    let resolve!: () => void
    const released = new Promise<void>((done) => (resolve = done))
    this.#holds.set(uid, { count: 1, released, resolve })
  }

  release(uid: Uid, times = 1): void {
    const hold = this.#holds.get(uid)
    if (hold === undefined || (hold.count -= times) > 0) return
    this.#holds.delete(uid)
    hold.resolve()
  }

  /** Nothing where the user is not held. */
  released(uid: Uid): Promise<void> | undefined {
    return this.#holds.size === 0 ? undefined : this.#holds.get(uid)?.released
  }
}
