import type { Conversation } from './conversation.ts'

/** Pings every connection, with one timer for all of them. */
export class PingTimer {
  readonly #conversations: ReadonlyMap<unknown, Conversation>
  readonly #timer: NodeJS.Timeout | undefined

  /** @param interval ms; 0 means that it never pings */
  constructor(conversations: ReadonlyMap<unknown, Conversation>, interval: number) {
    this.#conversations = conversations
    if (interval > 0) this.#timer = setInterval(() => this.#beat(), interval).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    for (const conversation of this.#conversations.values()) conversation.ping()
  }
}
