import type { Broadcasts } from '../drivers/broadcasts.ts'
import type { Refused } from '../drivers/entry.ts'
import type { Inboxes } from '../drivers/inboxes.ts'
import type { Codec, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { Appender, type Outcome, type OutcomeListener } from './appender.ts'

const STORED: Outcome = { type: 'stored', nodeCount: 1 }
const EVERYONE = '*' as NodeId
const NOBODY: OutcomeListener = { settle: () => {} }

/** The node that runs in this process. Envelopes for it do not go through the store. An emitter has no local node. */
export interface LocalNode {
  readonly self: NodeId
  isSelf(node: NodeId): boolean
  /** Returns nothing if the envelope was delivered, otherwise a promise that it will be delivered or forwarded. */
  deliver(envelope: Envelope): Promise<unknown> | undefined
}

export interface NodeSenderInit {
  readonly queue: Inboxes & Broadcasts
  readonly codec: Codec
  /** Numbers the batches. */
  readonly publisher: string
  readonly local?: LocalNode
}

/** Sends envelopes to nodes: directly to this one, and through their inboxes to the others. */
export class NodeSender {
  readonly #init: NodeSenderInit
  readonly #appenders = new Map<NodeId, Appender>()
  readonly #broadcasts: Appender

  constructor(init: NodeSenderInit) {
    this.#init = init
    const { queue, codec, publisher } = init
    this.#broadcasts = new Appender(EVERYONE, publisher, (batch) =>
      outcomeOf(() => queue.publishAll(codec.encode(batch))),
    )
  }

  send(node: NodeId, envelope: Envelope, listener: OutcomeListener): void {
    const appender = this.#appenders.get(node)
    if (appender !== undefined) appender.add(envelope, listener)
    else if (this.#init.local?.isSelf(node) === true) this.deliverHere(node, envelope, listener)
    else this.#appenderOf(node).add(envelope, listener)
  }

  sendToAll(envelope: Envelope, listener: OutcomeListener): void {
    this.#broadcasts.add(envelope, listener)
  }

  /** Sends a reply. Nobody waits until it is stored. */
  reply(node: NodeId, envelope: Envelope): void {
    this.#appenderOf(node).add(envelope, NOBODY)
  }

  /** @param node this node's id in the lookup, which may be an earlier one */
  deliverHere(node: NodeId, envelope: Envelope, listener: OutcomeListener): void {
    const failed = (error: unknown): void => listener.settle({ type: 'failed', error }, node, envelope)
    try {
      const work = this.#init.local?.deliver(envelope)
      if (work === undefined) listener.settle(STORED, node, envelope)
      else work.then(() => listener.settle(STORED, node, envelope), failed)
    } catch (error) {
      failed(error)
    }
  }

  #appenderOf(node: NodeId): Appender {
    const known = this.#appenders.get(node)
    if (known !== undefined) return known
    const { queue, codec, publisher } = this.#init
    const appender = new Appender(node, publisher, async (batch, isOwed) => {
      const append = async (): Promise<Appended> => {
        return { type: await queue.publish(node, codec.encode(batch), isOwed), nodeCount: 1 }
      }
      const outcome = await outcomeOf(append)
      // Node ids are never used again, so nothing will ever be sent there.
      if (outcome.type === 'closed') this.#appenders.delete(node)
      return outcome
    })
    this.#appenders.set(node, appender)
    return appender
  }
}

type Appended = { type: Exclude<Outcome['type'], 'failed'>; nodeCount: number } | { type: Refused }

async function outcomeOf(append: () => Promise<Appended>): Promise<Outcome> {
  try {
    return await append()
  } catch (error) {
    return { type: 'failed', error }
  }
}
