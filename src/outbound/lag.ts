import type { Frame } from './frame.ts'
import type { Handover } from './handover.ts'

/** ms that what was handed to a connection waits for it. */
export const LAG_LIMIT = 250

/** That one connection does not keep up: what waits for it, and what its socket holds. It exists only meanwhile. */
export class Lag {
  readonly #since = performance.now()
  readonly #held: Handover[] = []
  /** Frames that the socket was given and the kernel has not taken. */
  #unsent: Frame[] = []
  #unsentBytes = 0
  #isOver = false

  get unsent(): readonly Frame[] {
    return this.#unsent
  }

  /** Nothing waits for the connection any more, for it has lagged too long. */
  get isOver(): boolean {
    return this.#isOver
  }

  isOverdue(now: number): boolean {
    return now - this.#since > LAG_LIMIT
  }

  /** What the frame belongs to waits for the connection. */
  hold(frame: Frame): void {
    // It may wait for long: what it was read from must not.
    frame.detach()
    const { handover } = frame
    if (handover === undefined || this.#isOver || this.#held.at(-1) === handover) return
    this.#held.push(handover)
    handover.hold()
  }

  /** @param ahead bytes that the socket holds now: those of the frames that it was given last */
  wrote(frames: readonly Frame[], ahead: number): void {
    for (const frame of frames) {
      this.#unsent.push(frame)
      this.#unsentBytes += frame.bytes.length
      if (ahead > 0) this.hold(frame)
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
