import type { Refused } from '../drivers/entry.ts'
import type { Batch, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { envelopeSize } from './sizes.ts'

/** The outcome of one envelope. `nodeCount` is the number of nodes that read it, which is more than one for a broadcast. */
export type Outcome =
  | { readonly type: 'stored'; readonly nodeCount: number }
  | { readonly type: 'closed' }
  | { readonly type: Refused }
  | { readonly type: 'failed'; readonly error: unknown }

/** Is told the outcome of an envelope. */
export interface OutcomeListener {
  settle(outcome: Outcome, node: NodeId, envelope: Envelope): void
}

/** @param isOwed whether the inbox must take it, however full it is */
type Append = (batch: Batch, isOwed: boolean) => Promise<Outcome>

/**
 * Bytes that one append carries, about. With fewer, a publisher that pushes more in a turn of its event loop would be held
 * back, because only one append is under way. With more, one append would keep the store and the reader busy for too long.
 */
const MAX_BATCH_BYTES = 1024 * 1024

/**
 * Appends to one inbox, or to the broadcast stream. One append is under way at a time; envelopes that come meanwhile share
 * the next one, in order. Batches are numbered, so that a batch that was sent twice, because a reply was lost, is read
 * once. If an inbox refuses a batch, its forwarded copies are sent once more, and the inbox takes them: otherwise the inbox
 * they came from would hold them for as long as this one is full, and may be the reason why it is full.
 */
export class Appender {
  readonly #node: NodeId
  readonly #publisher: string
  readonly #append: Append
  #envelopes: Envelope[] = []
  /** The listener of each of these envelopes. */
  #listeners: OutcomeListener[] = []
  #isSending = false
  #seq = 0

  constructor(node: NodeId, publisher: string, append: Append) {
    this.#node = node
    this.#publisher = publisher
    this.#append = append
  }

  add(envelope: Envelope, listener: OutcomeListener): void {
    this.#envelopes.push(envelope)
    this.#listeners.push(listener)
    if (!this.#isSending) void this.#send()
  }

  async #send(): Promise<void> {
    this.#isSending = true
    // Envelopes that the current turn still adds go with the first batch.
    await Promise.resolve()
    while (this.#envelopes.length > 0) {
      const count = this.#nextBatch()
      const [envelopes, listeners] = [this.#envelopes.slice(0, count), this.#listeners.slice(0, count)]
      this.#envelopes = this.#envelopes.slice(count)
      this.#listeners = this.#listeners.slice(count)
      // Invariant D2: with two appends at a time, one that is sent again could come behind a newer one.
      const outcome = await this.#appendNext(envelopes, false)
      // Invariant B7: otherwise two full inboxes that forward to each other would keep these for ever.
      const owed = isRefusal(outcome) ? envelopes.filter(isSentOn) : []
      const second = owed.length === 0 ? outcome : await this.#appendNext(owed, true)
      for (let index = 0; index < count; index++) {
        const envelope = envelopes[index]!
        listeners[index]!.settle(isSentOn(envelope) ? second : outcome, this.#node, envelope)
      }
    }
    this.#isSending = false
  }

  #appendNext(envelopes: readonly Envelope[], isOwed: boolean): Promise<Outcome> {
    // Invariant B4: numbered once for good, so that a batch that is sent again is known.
    return this.#append({ publisher: this.#publisher, seq: ++this.#seq, envelopes }, isOwed)
  }

  /** The number of envelopes in the next batch, at least one. */
  #nextBatch(): number {
    let bytes = 0
    const end = this.#envelopes.findIndex((envelope, index) => {
      bytes += envelopeSize(envelope)
      // Invariant B8: a MiB, or one larger envelope.
      return index > 0 && bytes > MAX_BATCH_BYTES
    })
    return end === -1 ? this.#envelopes.length : end
  }
}

function isRefusal({ type }: Outcome): boolean {
  return type === 'full' || type === 'behind'
}

/** Whether this is a copy of a push that another inbox has taken, and keeps until this inbox has it. */
function isSentOn(envelope: Envelope): boolean {
  return envelope.type === 'push' && envelope.resent
}
