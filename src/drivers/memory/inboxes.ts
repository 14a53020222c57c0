import type { NodeId } from '../../envelope/ids.ts'
import type { Entry, Handler, Stop } from '../entry.ts'
import type { Inboxes, Published } from '../inboxes.ts'
import type { MemoryHandle } from './handle.ts'
import { Stream } from './stream.ts'

/** How many poisoned entries are kept for one node. */
const MAX_ASIDE = 1_000
/** How many entries are drained at a time. */
const DRAIN_COUNT = 256

export class MemoryInboxes implements Inboxes {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  /** An inbox that is opened again keeps its entries and its place. */
  async open(node: NodeId, before?: NodeId): Promise<number> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    if (!store.inboxes.has(node)) store.inboxes.set(node, new Stream(() => store.micros()))
    return store.places.open(node, before)
  }

  async isOpen(node: NodeId): Promise<boolean> {
    this.#handle.assertOpen()
    const { inboxes, places } = this.#handle.store
    return inboxes.has(node) && places.of(node) !== undefined
  }

  async publish(node: NodeId, batch: Uint8Array, isOwed = false): Promise<Published> {
    this.#handle.assertOpen()
    const { inboxes, appended } = this.#handle.store
    const inbox = inboxes.get(node)
    // Invariant B1: an inbox that is not there is never made here: nobody would read it.
    if (inbox === undefined) return 'closed'
    const refused = isOwed ? undefined : this.#handle.refusalOf(inbox, batch, inbox.firstAfter(-1))
    if (refused !== undefined) return refused
    inbox.append(batch)
    appended.emit(`in:${node}`)
    return 'stored'
  }

  consume(node: NodeId, handler: Handler): Stop {
    const { inboxes } = this.#handle.store
    // The inbox is looked up for each read: once it is sealed, its old owner finds nothing.
    return this.#handle.follow(`in:${node}`, handler, (cursor, limit) => inboxes.get(node)?.after(cursor, limit) ?? [])
  }

  ack(node: NodeId, position: string): void {
    this.#handle.store.inboxes.get(node)?.forgetUpTo(Number(position))
  }

  async setAside(node: NodeId, entry: Entry, reason: string): Promise<void> {
    this.#handle.assertOpen()
    const { aside } = this.#handle.store
    const kept = aside.get(node) ?? []
    aside.set(node, [...kept, { entry, reason }].slice(-MAX_ASIDE))
  }

  async seal(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    const { inboxes, sealed } = this.#handle.store
    const inbox = inboxes.get(node)
    if (inbox === undefined) return
    inboxes.delete(node)
    sealed.set(node, inbox)
  }

  async drain(node: NodeId, handler: (entries: readonly Entry[]) => Promise<void>): Promise<void> {
    const { sealed } = this.#handle.store
    for (let position = -1; ;) {
      this.#handle.assertOpen()
      const entries = sealed.get(node)?.after(position, DRAIN_COUNT) ?? []
      const last = entries.at(-1)
      if (last === undefined) return
      await handler(entries)
      position = Number(last.position)
      sealed.get(node)?.forgetUpTo(position)
    }
  }

  async destroy(node: NodeId): Promise<void> {
    this.#handle.assertOpen()
    const { inboxes, sealed, aside, places } = this.#handle.store
    for (const map of [inboxes, sealed, aside]) map.delete(node)
    places.remove(node)
  }
}
