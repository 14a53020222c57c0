import type { Deliverer } from '../delivery/deliverer.ts'
import type { Envelope } from '../envelope/envelope.ts'
import { Handover } from '../outbound/handover.ts'
import type { Controls } from './controls.ts'
import type { Membership } from './membership.ts'

interface LocalDeliveryInit {
  readonly membership: Membership
  readonly deliverer: Deliverer
  readonly controls: Controls
  /** Calls `done` once the connections have taken the handover, or are no longer waited for. */
  readonly whenTaken: (handover: Handover, done: () => void) => void
}

/**
 * Delivers the part of a push that is for this very node, without a detour through the store. It is done when the same
 * entry in the inbox would be acked, usually at the end of the current turn. If this node is not sure that it still has
 * its lease, it asks the store first, and envelopes that come meanwhile wait in order.
 */
export class LocalDelivery {
  readonly #init: LocalDeliveryInit
  /** Settles when the last envelope that waits has been handed over. */
  #last: Promise<unknown> | undefined

  constructor(init: LocalDeliveryInit) {
    this.#init = init
  }

  deliver(envelope: Envelope): Promise<unknown> | undefined {
    const { membership } = this.#init
    // Invariants D5, N8: as from an inbox, so it asks first if others may have taken this node over.
    if (membership.hasLease && this.#last === undefined) return this.#hand(envelope)
    // The task is wrapped in an object, because the next envelope waits only for this handover and not for the task.
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
