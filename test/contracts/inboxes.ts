import type { Inboxes } from '../../src/drivers/inboxes.ts'
import { inbox } from './inboxes/inbox.ts'
import { takeover } from './inboxes/takeover.ts'
import type { Candidate } from './stage.ts'

/** Tests every MUST of `Inboxes`. */
export function inboxes(candidate: () => Candidate<unknown, Inboxes>): void {
  for (const part of [inbox, takeover]) part(candidate)
}
