// One durable inbox for each node. MUST and MUST NOT are promises that test/contracts/inboxes.ts asks of every driver.
import type { NodeId, ProcessId } from '../envelope/ids.ts'
import type { Entry, Handler, Refused, Stop } from './entry.ts'

/** `closed`: the node has no inbox (any more): look up again without it. */
export type Published = 'stored' | 'closed' | Refused

/** Each node's inbox. */
export interface Inboxes {
  /**
   * The seat that a process' next node is to take (see `seatOf`), where inboxes lie on several servers: it MUST be on one
   * that has the fewest, those counted that were told a seat there and have yet to open, however many ask at once. A queue
   * on one server has no such call.
   */
  readonly seat?: (process: ProcessId) => Promise<number>

  /**
   * Makes a node's inbox, empty, and its place in the broadcast stream; what stands already stays as it is. Its place is
   * where `before` had one, the same process until it was evicted, for its clients are still there; else the end. A node
   * opens it once it has its lease, so that what a halfway join leaves is found, and before it binds anybody, so that
   * nobody there misses a broadcast. Resolves to the offset of the broadcast that its place is behind.
   */
  open(node: NodeId, before?: NodeId): Promise<number>

  /** Whether the inbox still stands: a store that lost it does not say so to a reader. */
  isOpen(node: NodeId): Promise<boolean>

  /**
   * Appends to the inbox, in one round trip. MUST NOT create it. MUST keep the order of calls that were awaited. MUST
   * refuse where it is full or behind, unless it is empty, or the batch `isOwed`: it holds only copies of what an inbox has
   * taken before, and keeps until this one has it. Two inboxes that are full and send on to each other would keep it for
   * ever.
   */
  publish(node: NodeId, batch: Uint8Array, isOwed?: boolean): Promise<Published>

  /** Reads the inbox from its start, everything that was not acked. Wakes at once when something comes; never polls. */
  consume(node: NodeId, handler: Handler): Stop

  /** The inbox forgets everything up to and with this position. MAY be gathered; what was not acked is read again. */
  ack(node: NodeId, position: string): void

  /** Keeps a poisoned entry aside, for a person to look at; at most 1,000 of a node. It is then acked like any other. */
  setAside(node: NodeId, entry: Entry, reason: string): Promise<void>

  /** Closes a dead node's inbox, atomically: publishers get `closed`, the old owner's reads and acks hit nothing. */
  seal(node: NodeId): Promise<void>

  /**
   * Hands out what a sealed inbox held, in order and several entries at a time, some MiB at most; they are forgotten when
   * the handler has resolved, not before. A handler that rejects ends the drain. MUST be safe twice, and beside others: then
   * entries are handed out twice.
   */
  drain(node: NodeId, handler: (entries: readonly Entry[]) => Promise<void>): Promise<void>

  /** Removes what is left of a node: its sealed inbox, its place in the broadcast stream. MUST be safe twice. */
  destroy(node: NodeId): Promise<void>
}
