import type { Reservation } from '../drivers/push-ids.ts'
import type { NodeId } from '../envelope/ids.ts'

const NONE: readonly NodeId[] = Object.freeze([])

/** The reservation of a push's id. It goes out beside the push's lookup, and the push is sent once both are answered. */
export class PendingReservation {
  /** Resolves once the store has answered, or has failed to. */
  readonly answered: Promise<void>
  #isPending = true
  #stored: readonly NodeId[] | undefined

  constructor(reserving: Promise<Reservation>) {
    this.answered = reserving.then(
      (reserved) => this.#end(reserved.type === 'fresh' ? reserved.stored : undefined),
      () => this.#end(undefined),
    )
  }

  get isPending(): boolean {
    return this.#isPending
  }

  /** The id is not this push's own, so the push is sent to nobody. */
  get isDenied(): boolean {
    return !this.#isPending && this.#stored === undefined
  }

  /** Nodes that have the push from an earlier attempt. */
  get stored(): readonly NodeId[] {
    return this.#stored ?? NONE
  }

  #end(stored: readonly NodeId[] | undefined): void {
    this.#stored = stored
    this.#isPending = false
  }
}
