import type { NodeId } from '../../envelope/ids.ts'
import type { Logger } from '../../logger.ts'

/**
 * Makes one ack out of many, because only the last position matters. An ack that fails is not sent again: the next one
 * covers it, and entries that are read twice are recognized by their publisher's numbers.
 */
export class AckGatherer {
  readonly #every: { readonly entries: number; readonly ms: number }
  readonly #logger: Logger
  readonly #send: (node: NodeId, position: string) => Promise<unknown>
  readonly #waiting = new Map<NodeId, { position: string; count: number }>()
  #timer: NodeJS.Timeout | undefined
  #sent: Promise<void> = Promise.resolve()

  constructor(
    every: { readonly entries: number; readonly ms: number },
    logger: Logger,
    send: (node: NodeId, position: string) => Promise<unknown>,
  ) {
    this.#every = every
    this.#logger = logger
    this.#send = send
  }

  add(node: NodeId, position: string): void {
    const count = (this.#waiting.get(node)?.count ?? 0) + 1
    this.#waiting.set(node, { position, count })
    if (count >= this.#every.entries) void this.flush()
    else this.#timer ??= setTimeout(() => void this.flush(), this.#every.ms)
  }

  /** Resolves once all acks that were added so far have been sent, whoever began to send them. */
  async flush(): Promise<void> {
    // `then` drops the result. Otherwise each promise would hold the results of all the ones before, for ever.
    this.#sent = Promise.all([this.#sent, this.#sendAll()]).then(() => {})
    await this.#sent
  }

  async #sendAll(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const sent = waiting.map(([node, { position }]) => this.#send(node, position))
    for (const result of await Promise.allSettled(sent)) {
      if (result.status === 'rejected')
        this.#logger.debug({ error: result.reason as unknown }, 'an ack was lost; the next one covers it')
    }
  }
}
