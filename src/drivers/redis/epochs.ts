/**
 * Tells a part of the store that is empty from one that was lost. Each part bears an epoch, `random:createdAt`; a
 * missing one, or a young one where an older was known, means that the nodes are only writing their bindings again.
 */
export class Epochs {
  readonly #grace: number
  readonly #known = new Map<number, string>()

  /** @param grace ms that the nodes may take to come back after a loss: a heartbeat, and a second for the work */
  constructor(grace: number) {
    this.#grace = grace
  }

  /** Whether "nobody" in this part can be believed; `storeNow` is the store's clock, in ms. */
  isSettled(part: number, epoch: string | null | undefined, storeNow: number | undefined): boolean {
    if (epoch === null || epoch === undefined) return false
    const known = this.#known.get(part)
    if (known === undefined || known === epoch) {
      this.#known.set(part, epoch)
      return true
    }
    const createdAt = Number(epoch.slice(epoch.indexOf(':') + 1))
    if (storeNow === undefined || storeNow - createdAt < this.#grace) return false
    this.#known.set(part, epoch)
    return true
  }
}
