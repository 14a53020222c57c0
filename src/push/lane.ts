import type { Refused } from '../drivers/entry.ts'
import type { Batch, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { envelopeSize } from './sizes.ts'

/** What became of one envelope: `nodeCount` is how many nodes read it, where it was a broadcast. */
export type Outcome =
  | { readonly type: 'stored'; readonly nodeCount: number }
  | { readonly type: 'closed' }
  | { readonly type: Refused }
  | { readonly type: 'failed'; readonly error: unknown }

/** Somebody who wants to know what became of an envelope; `node` is what the lane leads to. */
export interface Settler {
  settle(outcome: Outcome, node: NodeId, envelope: Envelope): void
}

/** @param isOwed whether it must be taken, however full it is there */
type Append = (batch: Batch, isOwed: boolean) => Promise<Outcome>

/**
 * Of what one append carries, about. Less would hold back a publisher that makes more in a turn of its event loop, for
 * only one append is under way; more would occupy the store, and the reader, for too long at once.
 */
const MAX_BATCH_BYTES = 1024 * 1024

/**
 * The way from this publisher to one inbox. One append is under way at a time; what comes meanwhile is gathered behind
 * it, in order, and goes together. Batches are numbered, so that one that was sent twice, because a reply was lost, is
 * read once. Where an inbox refuses a batch, what is only sent on goes once more, and is taken: whoever holds it would hold
 * it for as long as the inbox is full, and may be what keeps it full.
 */
export class Lane {
  readonly #node: NodeId
  readonly #publisher: string
  readonly #append: Append
  #envelopes: Envelope[] = []
  /** Who waits for which of them. */
  #settlers: Settler[] = []
  #isSending = false
  #seq = 0

  constructor(node: NodeId, publisher: string, append: Append) {
    this.#node = node
    this.#publisher = publisher
    this.#append = append
  }

  add(envelope: Envelope, settler: Settler): void {
    this.#envelopes.push(envelope)
    this.#settlers.push(settler)
    if (!this.#isSending) void this.#send()
  }

  async #send(): Promise<void> {
    this.#isSending = true
    // What else this tick adds goes with the first batch.
    await Promise.resolve()
    while (this.#envelopes.length > 0) {
      const count = this.#nextBatch()
      const [envelopes, settlers] = [this.#envelopes.slice(0, count), this.#settlers.slice(0, count)]
      this.#envelopes = this.#envelopes.slice(count)
      this.#settlers = this.#settlers.slice(count)
      const outcome = await this.#appendNext(envelopes, false)
      const owed = isRefusal(outcome) ? envelopes.filter(isSentOn) : []
      const second = owed.length === 0 ? outcome : await this.#appendNext(owed, true)
      for (let index = 0; index < count; index++) {
        const envelope = envelopes[index]!
        settlers[index]!.settle(isSentOn(envelope) ? second : outcome, this.#node, envelope)
      }
    }
    this.#isSending = false
  }

  #appendNext(envelopes: readonly Envelope[], isOwed: boolean): Promise<Outcome> {
    return this.#append({ publisher: this.#publisher, seq: ++this.#seq, envelopes }, isOwed)
  }

  /** How many envelopes go together: one at least. */
  #nextBatch(): number {
    let bytes = 0
    const end = this.#envelopes.findIndex((envelope, index) => {
      bytes += envelopeSize(envelope)
      return index > 0 && bytes > MAX_BATCH_BYTES
    })
    return end === -1 ? this.#envelopes.length : end
  }
}

function isRefusal({ type }: Outcome): boolean {
  return type === 'full' || type === 'behind'
}

/** A copy of what another inbox has taken, and keeps until this one has it. */
function isSentOn(envelope: Envelope): boolean {
  return envelope.type === 'push' && envelope.resent
}
