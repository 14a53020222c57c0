import { Fifo } from '../lib/fifo.ts'

/**
 * Lets so many through in one turn of the event loop; the others wait, in order. In between, everything else has its turn:
 * what the store has answered and what clients have sent is read once in each.
 */
export class HandshakePacer {
  readonly #perTurn: number
  readonly #waiting = new Fifo<() => void>()
  #passedCount = 0
  #isCounting = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** Nothing where one may go at once. */
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
