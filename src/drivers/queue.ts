import type { Broadcasts } from './broadcasts.ts'
import type { Inboxes } from './inboxes.ts'
import type { Ingress } from './ingress.ts'

/** What is on its way: to one node, and to all of them. */
export interface Queue extends Inboxes, Broadcasts {
  /** Where processes of any language put pushes, if the driver has such a place. */
  readonly ingress?: Ingress

  /** Resolves once what was acked so far, here and there, is, or has failed to be. */
  flushAcks(): Promise<void>

  /** MUST be safe twice. */
  close(): Promise<void>
}
