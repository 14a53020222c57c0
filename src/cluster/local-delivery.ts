import type { Deliverer } from '../delivery/deliverer.ts'
import type { Envelope } from '../envelope/envelope.ts'
import { Handover } from '../outbound/handover.ts'
import type { Controls } from './controls.ts'
import type { Membership } from './membership.ts'

interface LocalDeliveryInit {
  readonly membership: Membership
  readonly deliverer: Deliverer
  readonly controls: Controls
  /** Calls back once the connections have taken it, or are not waited for any more. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
}

/**
 * The part of a push that is for this very node takes no detour over the store: it is done when an entry of the inbox would
 * be acked, usually at the end of what runs now. A node that is not sure whether it still has its place asks first; what is
 * pushed meanwhile waits behind, in order.
 */
export class LocalDelivery {
  readonly #init: LocalDeliveryInit
  /** The last that waits. */
  #last: Promise<unknown> | undefined

  constructor(init: LocalDeliveryInit) {
    this.#init = init
  }

  deliver(envelope: Envelope): Promise<unknown> | undefined {
    const { membership } = this.#init
    // Invariants D5, N8: as from an inbox, so it asks first if others may have taken this node over.
    if (membership.hasLease && this.#last === undefined) return this.#hand(envelope)
    // In an object, for the next one waits only until this one was handed over.
    const handed = (this.#last ?? membership.confirmLease()).then(() => ({ task: this.#hand(envelope) }))
    this.#last = handed
    const forget = (): void => {
      if (this.#last === handed) this.#last = undefined
    }
    handed.then(forget, forget)
    return handed.then(({ task }) => task)
  }

  #hand(envelope: Envelope): Promise<unknown> | undefined {
    const { deliverer, controls, whenTaken } = this.#init
    if (envelope.type === 'control') return controls.obey(envelope)
    if (envelope.type === 'reply') return undefined
    const handover = new Handover()
    const task = deliverer.deliver(envelope, handover)
    const taken = new Promise<void>((resolve) => whenTaken(handover, resolve))
    return task === undefined ? taken : Promise.all([taken, task])
  }
}
