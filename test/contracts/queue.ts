import { describe } from 'node:test'
import { broadcasts } from './queue/broadcast.ts'
import { handles } from './queue/handles.ts'
import { inboxes } from './queue/inbox.ts'
import { pushIds } from './queue/push-ids.ts'
import { takeover } from './queue/takeover.ts'
import type { Candidate } from './stage.ts'

/** Every MUST of `Queue`, asked of a driver on a real store. */
export function queueContract(name: string, candidate: () => Candidate): void {
  describe(`Queue of ${name}`, () => {
    for (const part of [inboxes, broadcasts, takeover, pushIds, handles]) part(candidate)
  })
}
