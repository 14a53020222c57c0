import type { Receipt } from '../api.ts'
// The contract of Queue: one durable inbox per node, one broadcast stream. MUST and MUST NOT are promises that
// test/contracts/queue.ts asks of every driver.
import type { NodeId, ProcessId, PushId } from '../envelope/ids.ts'

/**
 * Nothing was taken. `full`: it would be over its bound in bytes; `behind`: the oldest that was not acked is older than
 * `maxLag`, by the store's clock.
 */
export type Refused = 'full' | 'behind'

/** `closed`: the node has no inbox (any more): look up again without it. */
export type Published = 'stored' | 'closed' | Refused

export interface Entry {
  /** Where it stands; grows. */
  readonly position: string
  readonly bytes: Uint8Array
  /** Grows from entry to entry, as its position does; of one that is replayed, what it was the first time. */
  readonly order: number
  /**
   * When it was appended, in µs of the clock that State stamps by, give or take a ms. MUST NOT be less than that of an entry
   * before it, unless the store has changed its server.
   */
  readonly at: number
  /** Of a batch that was appended by `State.appendWhereFound`: the stamp of the one user or group in each of its addresses. */
  readonly stamp?: number
  /** A broadcast that comes once more, for those who connected since it came first. It is not acked. */
  readonly isReplay?: boolean
}

/** An entry without bytes, which ends a replay, has only to be acked. */
export const isEmpty = ({ bytes }: Entry): boolean => bytes.length === 0

/** Reading stops before the next entry; resolves when the handler has returned. */
export type Stop = () => Promise<void>

/**
 * Entries in order. Reading goes on when it resolves; it MUST NOT reject. Where the connection to the store was lost, what
 * was not acked MAY be handed out again, from its start, and positions MAY begin anew: whoever reads knows by publisher
 * and number what it had.
 */
export type Handler = (entries: readonly Entry[]) => Promise<void> | void

/** How long an idempotency key lives at most, in ms. */
export const LONGEST_ID = 600_000

/** What an idempotency key stands for. */
export type Claimed =
  /** It is this caller's now; `stored` are the nodes that an earlier attempt had reached. */
  | { readonly type: 'fresh'; readonly stored: readonly NodeId[] }
  | { readonly type: 'pending' }
  /** The same id came with another body. */
  | { readonly type: 'conflict' }
  | { readonly type: 'done'; readonly receipt: Receipt }

export interface Queue {
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
   * nobody there misses a broadcast. Resolves to the order of the broadcast that its place is behind.
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

  /**
   * Appends to the broadcast stream; says how many nodes read it. MUST refuse where it is full, or its slowest reader is
   * behind; what is only held for a node that is gone counts for neither.
   */
  publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }>

  /** The order of the broadcast that was stored last, or of what ends a replay: all that come later have a greater one. */
  newestBroadcast(): Promise<number>

  /** Reads the inbox from its start, everything that was not acked. Wakes at once when something comes; never polls. */
  consume(node: NodeId, handler: Handler): Stop

  /** Reads the broadcast stream from this node's place in it. */
  consumeAll(node: NodeId, handler: Handler): Stop

  /** The inbox forgets everything up to and with this position. MAY be gathered; what was not acked is read again. */
  ack(node: NodeId, position: string): void

  /** The broadcast stream may forget it, once every node has said so. MAY be gathered. */
  ackAll(node: NodeId, position: string): void

  /** Resolves once what was acked so far is, or has failed to be. */
  flushAcks(): Promise<void>

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

  /**
   * Has every node read once more the broadcasts that a dead one had not acked, as replays: its clients may be there by
   * now. Its place stays for a minute, unless the stream is full, for its process may wake up; then nothing MUST be kept for it
   * any more, whether or not another broadcast comes. MUST be safe twice.
   */
  replayAll(node: NodeId): Promise<void>

  /** Removes what is left of a node: its sealed inbox, its place in the broadcast stream. MUST be safe twice. */
  destroy(node: NodeId): Promise<void>

  /**
   * `digest` tells bodies apart; a claim that is never settled lapses after `ttl` ms. No `ttl` here MAY be longer than
   * `LONGEST_ID`; what is longer counts as that.
   */
  claimId(id: PushId, digest: string, ttl: number): Promise<Claimed>
  /**
   * From now on the id answers with this receipt, which bears that id, for `ttl` ms. MUST NOT replace one that it answers
   * with already.
   */
  settleId(id: PushId, digest: string, receipt: Receipt, ttl: number): Promise<void>
  /** Frees the id after a failure, unless another has settled it meanwhile; `stored` are the nodes that need not get it again. */
  releaseId(id: PushId, digest: string, stored: readonly NodeId[], ttl: number): Promise<void>

  /** Where processes of any language put pushes, if the driver has such a place. */
  readonly ingress?: Ingress

  /** MUST be safe twice. */
  close(): Promise<void>
}

/** A public stream that takes push bodies as JSON from any language. One node at a time reads it. */
export interface Ingress {
  /** True while this node is its reader; call again within `ttl` ms to stay it. */
  lead(node: NodeId, ttl: number): Promise<boolean>
  /** Lets another node read at once; nothing where this node is not the reader. */
  resign(node: NodeId): Promise<void>
  read(handler: (entries: readonly IngressEntry[]) => Promise<void>): Stop
  /** Forgets an entry that was routed. */
  done(positions: readonly string[]): Promise<void>
  setAside(entry: IngressEntry, reason: string): Promise<void>
}

export interface IngressEntry {
  readonly position: string
  readonly body: Uint8Array
}
