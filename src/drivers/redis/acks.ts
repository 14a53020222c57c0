import type { NodeId } from '../../envelope/ids.ts'
import { AckGatherer } from './ack-gatherer.ts'
import type { Commands, RedisClient } from './connection/client.ts'
import type { RedisHandle } from './handle.ts'

type Send = (redis: Commands, node: NodeId, id: string, bytes: string) => Promise<unknown>

/**
 * Acks an entry only at the server that it was read from. Another server that has taken over may have given the same
 * ids to entries that nobody has read. There the entries are read again, and acked again.
 */
export class Acks {
  readonly #client: RedisClient
  readonly #keyOf: (node: NodeId) => string
  readonly #send: Send
  readonly #gatherer: AckGatherer

  /** @param keyOf the stream that the node has read */
  constructor(
    { client, settings }: RedisHandle,
    every: { readonly entries: number; readonly ms: number },
    keyOf: (node: NodeId) => string,
    send: Send,
  ) {
    this.#client = client
    this.#keyOf = keyOf
    this.#send = send
    this.#gatherer = new AckGatherer(every, settings.logger, (node, position) => this.#ack(node, position))
  }

  add(node: NodeId, position: string): void {
    this.#gatherer.add(node, position)
  }

  /** Resolves once all acks that were added so far have been sent. */
  flush(): Promise<void> {
    return this.#gatherer.flush()
  }

  #ack(node: NodeId, position: string): Promise<unknown> {
    const [id, bytes, origin] = position.split(' ') as [string, string, string]
    const key = this.#keyOf(node)
    return this.#client.run(async (redis) => {
      const runId = this.#client.histories.runIdOf(this.#client.connectionFor(key))
      // Invariant B6: another server may have given this id to an entry that nobody has read.
      if (runId === undefined) throw new Error('it is not known yet which server this is')
      return runId === origin || origin === '' ? this.#send(redis, node, id, bytes) : undefined
    })
  }
}
