import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from '../../logger.ts'
import type { Entry, Handler } from '../entry.ts'

/** How many entries are handed out at once. Between two of these chunks others get their turn. */
const LIMIT = 256

/** Hands entries to one handler, one call after another, in the turn of the event loop after they were appended. */
export class StreamReader {
  readonly #read: (cursor: number, limit: number) => readonly Entry[]
  readonly #handler: Handler
  readonly #logger: Logger
  #cursor = -1
  #stopped = false
  #running: Promise<void> | undefined

  constructor(read: (cursor: number, limit: number) => readonly Entry[], handler: Handler, logger: Logger) {
    this.#read = read
    this.#handler = handler
    this.#logger = logger
  }

  wake(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      // Everything that is appended in this turn is handed out together.
      await nextTurn()
      const entries = this.#stopped ? [] : this.#read(this.#cursor, LIMIT)
      const last = entries.at(-1)
      if (last === undefined) break
      this.#cursor = Number(last.position)
      await this.#handle(entries)
    }
    this.#running = undefined
  }

  async #handle(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#handler(entries)
    } catch (error) {
      this.#logger.error({ error }, 'a handler of entries threw, which it must never do')
    }
  }
}
