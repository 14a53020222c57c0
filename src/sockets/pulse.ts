import type { Conversation } from './conversation.ts'

/** Pings every connection, with one timer for all of them. */
export class Pulse {
  readonly #conversations = new Set<Conversation>()
  readonly #timer: NodeJS.Timeout | undefined

  /** @param interval ms; 0 never pings */
  constructor(interval: number) {
    if (interval > 0) this.#timer = setInterval(() => this.#beat(), interval).unref()
  }

  add(conversation: Conversation): void {
    this.#conversations.add(conversation)
  }

  remove(conversation: Conversation): void {
    this.#conversations.delete(conversation)
  }

  [Symbol.iterator](): Iterator<Conversation> {
    return this.#conversations.values()
  }

  get size(): number {
    return this.#conversations.size
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    for (const conversation of this.#conversations) conversation.ping()
  }
}
