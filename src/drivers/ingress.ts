import type { NodeId } from '../envelope/ids.ts'
import type { Stop } from './entry.ts'

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
