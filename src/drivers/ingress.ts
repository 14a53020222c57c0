import type { NodeId } from '../envelope/ids.ts'
import type { Stop } from './entry.ts'

/** A public stream of pushes, written as JSON by programs in any language. One node at a time reads it. */
export interface Ingress {
  /**
   * Resolves to whether this node reads the stream now. Its reader calls this again within `ttl` ms, otherwise another
   * node may take over.
   */
  lead(node: NodeId, ttl: number): Promise<boolean>
  /** Lets another node read at once. Does nothing if this node is not the reader. */
  resign(node: NodeId): Promise<void>
  read(handler: (entries: readonly IngressEntry[]) => Promise<void>): Stop
  /** Forgets entries whose pushes have been dealt with. */
  done(positions: readonly string[]): Promise<void>
  setAside(entry: IngressEntry, reason: string): Promise<void>
}

export interface IngressEntry {
  readonly position: string
  readonly body: Uint8Array
}
