import type { ParsedTarget } from '../envelope/target.ts'
import type { Dispatch } from './dispatch.ts'
import { namesOf } from './targets.ts'

/** A dispatch that may be sent as soon as its reservation, if it has one, is answered. */
interface Ready {
  readonly dispatch: Dispatch<ParsedTarget>
  begin(): Unsettled | undefined
}

/** Names for which a dispatch that has begun is not on its way yet. */
export interface Unsettled {
  readonly names: readonly string[]
  /** Never rejects. */
  readonly settled: Promise<void>
}

/**
 * Keeps pushes to one target in the order in which they were made. A push with an id has to wait for its reservation, and
 * later pushes to the same target wait with it; pushes to other targets do not. A push with `hold` keeps later ones waiting
 * until it is parked. It costs nothing while no push waits.
 */
export class Turns {
  /** For each name, resolves once the last push that waits has begun and is settled. */
  readonly #begun = new Map<string, Promise<void>>()

  /** Begins a dispatch once its reservation is answered and every earlier one with one of its names has begun. */
  take(ready: Ready): void {
    const { target, reservation, isFirstCopy } = ready.dispatch
    const isReserving = reservation?.isPending === true
    if (isFirstCopy !== true || (!isReserving && this.#begun.size === 0)) return this.follow(ready.begin())
    const names = namesOf(target)
    // Invariant D4: a push that waits for its reservation is not overtaken by one that has no id.
    const before = names.flatMap((name) => this.#begun.get(name) ?? [])
    if (!isReserving && before.length === 0) return this.follow(ready.begin())
    this.#keepWaiting(
      names,
      Promise.all([reservation?.answered, ...before]).then(() => ready.begin()?.settled),
    )
  }

  /** From now on, later dispatches wait for one that has begun without a turn, as long as it is not settled. */
  follow(unsettled: Unsettled | undefined): void {
    if (unsettled !== undefined) this.#keepWaiting(unsettled.names, unsettled.settled)
  }

  #keepWaiting(names: readonly string[], begun: Promise<void>): void {
    for (const name of names) this.#begun.set(name, begun)
    void begun.then(() => {
      for (const name of names) if (this.#begun.get(name) === begun) this.#begun.delete(name)
    })
  }
}
