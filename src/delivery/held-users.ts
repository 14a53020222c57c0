import type { Uid } from '../envelope/ids.ts'

interface Hold {
  count: number
  readonly released: Promise<void>
  readonly resolve: () => void
}

/**
 * Users for whom pushes may be parked that have not been handed out yet. Later pushes to them wait until that is done.
 */
export class HeldUsers {
  readonly #holds = new Map<Uid, Hold>()

  /** Every call needs a `release` of its own. */
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

  /** Resolves once the user is no longer held; `undefined` if the user is not held now. */
  released(uid: Uid): Promise<void> | undefined {
    return this.#holds.size === 0 ? undefined : this.#holds.get(uid)?.released
  }
}
