import type { Handover } from './handover.ts'
import type { EncodedMessage } from './outbound-message.ts'

/** ms for which a handover waits for one connection. */
export const LAG_LIMIT = 250

/**
 * Tracks one connection that does not keep up: the handovers that wait for it, and the messages that its transport
 * still holds. It exists only while the connection lags.
 */
export class Lag {
  readonly #since = performance.now()
  readonly #held: Handover[] = []
  /** Messages that the transport was given and that the kernel has not taken. */
  #unsent: EncodedMessage[] = []
  #unsentBytes = 0
  #isOver = false

  get unsent(): readonly EncodedMessage[] {
    return this.#unsent
  }

  /** Whether the connection has lagged for too long, so that no handover waits for it any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  isOverdue(now: number): boolean {
    return now - this.#since > LAG_LIMIT
  }

  /** Makes the message's handover wait for this connection. */
  hold({ message }: EncodedMessage): void {
    message.release()
    const { handover } = message
    if (handover === undefined || this.#isOver || this.#held.at(-1) === handover) return
    this.#held.push(handover)
    handover.hold()
  }

  /** @param ahead bytes that the transport holds now: they belong to the messages that it was given last */
  wrote(messages: readonly EncodedMessage[], ahead: number): void {
    for (const message of messages) {
      this.#unsent.push(message)
      this.#unsentBytes += message.bytes.length
      if (ahead > 0) this.hold(message)
    }
    let taken = 0
    for (const { bytes } of this.#unsent) {
      if (this.#unsentBytes - bytes.length < ahead) break
      this.#unsentBytes -= bytes.length
      taken++
    }
    if (taken > 0) this.#unsent = this.#unsent.slice(taken)
  }

  /** The connection has caught up or closed: no handover waits for it any more. */
  release(): void {
    for (const handover of this.#held.splice(0)) handover.release()
  }

  giveUp(): void {
    this.#isOver = true
    this.release()
  }
}
