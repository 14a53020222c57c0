// One stream for what is for everyone. MUST and MUST NOT are promises that test/contracts/broadcasts.ts asks of every driver.
import type { NodeId } from '../envelope/ids.ts'
import type { Handler, Refused, Stop } from './entry.ts'

/** The stream that every node reads, each from its own place. */
export interface Broadcasts {
  /**
   * Appends to the broadcast stream; says how many nodes read it. MUST refuse where it is full, or its slowest reader is
   * behind; what is only held for a node that is gone counts for neither.
   */
  publishAll(batch: Uint8Array): Promise<{ type: 'stored'; nodeCount: number } | { type: Refused }>

  /** The offset of the broadcast that was stored last, or of what ends a replay: all that come later have a greater one. */
  newestBroadcast(): Promise<number>

  /** Reads the broadcast stream from this node's place in it. */
  consumeAll(node: NodeId, handler: Handler): Stop

  /** The broadcast stream may forget it, once every node has said so. MAY be gathered. */
  ackAll(node: NodeId, position: string): void

  /**
   * Has every node read once more the broadcasts that a dead one had not acked, as replays: its clients may be there by
   * now. Its place stays for a minute, unless the stream is full, for its process may wake up; then nothing MUST be kept for it
   * any more, whether or not another broadcast comes. MUST be safe twice.
   */
  replayAll(node: NodeId): Promise<void>
}
