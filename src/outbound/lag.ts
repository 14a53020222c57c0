import type { EncodedMessage } from './encoded-message.ts'
import type { Handover } from './handover.ts'

/** ms that what was handed to a connection waits for it. */
export const LAG_LIMIT = 250

/** That one connection does not keep up: what waits for it, and what its socket holds. It exists only meanwhile. */
export class Lag {
  readonly #since = performance.now()
  readonly #held: Handover[] = []
  /** Messages that the transport was given and the kernel has not taken. */
  #unsent: EncodedMessage[] = []
  #unsentBytes = 0
  #isOver = false

  get unsent(): readonly EncodedMessage[] {
    return this.#unsent
  }

  /** Nothing waits for the connection any more, for it has lagged too long. */
  get isOver(): boolean {
    return this.#isOver
  }

  isOverdue(now: number): boolean {
    return now - this.#since > LAG_LIMIT
  }

  /** The message's handover waits for the connection. */
  hold({ message }: EncodedMessage): void {
    message.release()
    const { handover } = message
    if (handover === undefined || this.#isOver || this.#held.at(-1) === handover) return
    this.#held.push(handover)
    handover.hold()
  }

  /** @param ahead bytes that the transport holds now: those of the messages that it was given last */
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

  /** Nothing waits for the connection any more: it has caught up, or closed. */
  release(): void {
    for (const handover of this.#held.splice(0)) handover.release()
  }

  giveUp(): void {
    this.#isOver = true
    this.release()
  }
}
