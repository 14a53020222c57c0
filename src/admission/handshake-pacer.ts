import { Fifo } from '../lib/fifo.ts'

/**
 * Lets a limited number of handshakes pass in one turn of the event loop; the others wait, in order. Between two turns
 * the node reads once what the store has answered and what clients have sent.
 */
export class HandshakePacer {
  readonly #perTurn: number
  readonly #waiting = new Fifo<() => void>()
  #passedCount = 0
  #isCounting = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** Returns undefined if the caller may go on at once, or a promise that resolves when it may. */
  pass(): Promise<void> | undefined {
    if (!this.#isCounting) this.#countTurn()
    if (this.#passedCount < this.#perTurn) {
      this.#passedCount++
      return undefined
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #countTurn(): void {
    this.#isCounting = true
    setImmediate(this.#beginTurn)
  }

  readonly #beginTurn = (): void => {
    this.#isCounting = false
    this.#passedCount = Math.min(this.#waiting.size, this.#perTurn)
    if (this.#passedCount === 0) return
    this.#countTurn()
    for (let count = 0; count < this.#passedCount; count++) this.#waiting.shift()!()
  }
}
