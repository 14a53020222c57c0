// Broadcasts: one stream that all nodes read. test/contracts/broadcasts.ts checks every MUST and MUST NOT of this
// contract.
import type { NodeId } from '../envelope/ids.ts'
import type { Handler, Refused, Stop } from './entry.ts'

/** The stream of broadcasts, which each node reads from its own place. */
export interface Broadcasts {
  /**
   * Appends a batch to the broadcast stream and answers how many nodes read it. It MUST refuse the batch if the stream
   * is full or its slowest reader is behind, unless the stream is empty. Entries that are only kept for a node that is
   * gone MUST NOT count for either.
   */
  publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }>

  /**
   * The offset of the broadcast that was stored last, or of the entry that ends the last replay. Every later broadcast
   * has a greater one.
   */
  newestBroadcast(): Promise<number>

  /** Reads the broadcast stream from this node's place in it. */
  consumeAll(node: NodeId, handler: Handler): Stop

  /**
   * This node is done with everything up to and including this position. The stream forgets an entry once every node
   * has acked it. Acks MAY be gathered.
   */
  ackAll(node: NodeId, position: string): void

  /**
   * Has every node read once more, as replays, the broadcasts that a dead node had not acked: the dead node's clients
   * may be connected to other nodes by now. The dead node's place stays for a minute, because its process may wake up,
   * unless the stream is full. After that minute the store MUST NOT keep anything for it, whether or not another
   * broadcast comes. Calling it twice MUST be safe.
   */
  replayAll(node: NodeId): Promise<void>
}
