// Inboxes: one durable stream for each node. test/contracts/inboxes.ts checks every MUST and MUST NOT of this contract.
import type { NodeId, ProcessId } from '../envelope/ids.ts'
import type { Entry, Handler, Refused, Stop } from './entry.ts'

/** `closed`: the node has no inbox, or no longer has one. Look up again without this node. */
export type Published = 'stored' | 'closed' | Refused

/** Each node's inbox. */
export interface Inboxes {
  /**
   * The seat (see `seatOf`) that the next node of this process has to take, if inboxes lie on several servers. It MUST
   * be on a server that has the fewest inboxes. A seat that was given out and whose node has yet to open its inbox MUST
   * count as an inbox, however many processes ask at once. A queue on one server has no such call.
   */
  readonly seat?: (process: ProcessId) => Promise<number>

  /**
   * Creates an empty inbox for a node, and its place in the broadcast stream. An inbox or place that exists already
   * stays as it is. If the node `before` had a place, the new node gets the same one; otherwise it is the end of the
   * stream. `before` is the node that this process was until it was evicted: its clients are still connected. A node
   * opens its inbox after it has its lease, so that the remains of an unfinished join are found, and before it binds
   * anybody, so that nobody there misses a broadcast. Resolves to the offset of the last broadcast before the place.
   */
  open(node: NodeId, before?: NodeId): Promise<number>

  /** Whether the inbox still exists: a reader is not told when the store loses it. */
  isOpen(node: NodeId): Promise<boolean>

  /**
   * Appends a batch to the inbox, in one round trip. It MUST NOT create the inbox. It MUST keep the order of calls that
   * were awaited. It MUST refuse the batch if the inbox is full or behind, unless the inbox is empty or the batch
   * `isOwed`. An owed batch holds only copies of messages that another inbox has taken and keeps until this one has
   * them. If it could be refused, two full inboxes that forward to each other would keep those messages for ever.
   */
  publish(node: NodeId, batch: Uint8Array, isOwed?: boolean): Promise<Published>

  /**
   * Reads from the start of the inbox everything that was not acked. An entry wakes the reader at once; the reader
   * never polls.
   */
  consume(node: NodeId, handler: Handler): Stop

  /**
   * The inbox forgets everything up to and including this position. Acks MAY be gathered. Entries that were not acked
   * are read again.
   */
  ack(node: NodeId, position: string): void

  /**
   * Keeps a poisoned entry for a person to look at, at most 1,000 for each node. The entry is then acked like any
   * other.
   */
  setAside(node: NodeId, entry: Entry, reason: string): Promise<void>

  /**
   * Closes a dead node's inbox atomically: publishers get `closed`, and the old owner's reads and acks find nothing.
   */
  seal(node: NodeId): Promise<void>

  /**
   * Hands out the entries of a sealed inbox, in order, several at a time, but at most a few MiB. Entries are forgotten
   * when the handler has resolved, not before. A handler that rejects ends the drain. Calling it twice, or
   * at the same time as others, MUST be safe: then entries are handed out twice.
   */
  drain(node: NodeId, handler: (entries: readonly Entry[]) => Promise<void>): Promise<void>

  /**
   * Removes what is left of a node: its sealed inbox and its place in the broadcast stream. Calling it twice MUST be safe.
   */
  destroy(node: NodeId): Promise<void>
}
