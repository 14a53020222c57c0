import type { Child } from './child.ts'

/** Asks a process questions over its IPC channel. An answer carries the id of its question. */
export class Questions<Answer> {
  readonly #child: Child
  readonly #open = new Map<number | undefined, (answer: Answer) => void>()
  #lastId = 0

  constructor(child: Child) {
    this.#child = child
    child.process.on('message', (answer: Answer & { id?: number }) => {
      this.#open.get(answer.id)?.(answer)
      this.#open.delete(answer.id)
    })
  }

  /** Rejects if the process ends by itself. */
  ask(question: object = {}): Promise<Answer> {
    const id = ++this.#lastId
    const answered = new Promise<Answer>((resolve) => this.#open.set(id, resolve))
    this.#child.process.send({ id, ...question })
    return Promise.race([answered, this.#child.failed()])
  }
}
