import type { Broadcasts } from './broadcasts.ts'
import type { Inboxes } from './inboxes.ts'
import type { Ingress } from './ingress.ts'
import type { Log } from './log.ts'

/** The messages on their way to nodes: inboxes for one node each, broadcasts for all of them, and everyone's log. */
export interface Queue extends Inboxes, Broadcasts, Log {
  /** Takes pushes from programs in any language, if the driver has such a stream. */
  readonly ingress?: Ingress

  /** Resolves once all acks so far, of inboxes and of broadcasts, were sent or have failed. */
  flushAcks(): Promise<void>

  /** Calling it twice MUST be safe. */
  close(): Promise<void>
}
