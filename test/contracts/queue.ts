import { describe } from 'node:test'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import type { State } from '../../src/drivers/state.ts'
import { broadcasts } from './broadcasts.ts'
import { inboxes } from './inboxes.ts'
import { pushIds } from './push-ids.ts'
import { clock } from './queue/clock.ts'
import { everyonesLog } from './queue/everyone.ts'
import { handles } from './queue/handles.ts'
import type { Candidate } from './stage.ts'

/** Tests every MUST of `Queue` and `PushIds` with a driver on a real store. */
export function queueContract(name: string, candidate: () => Candidate<State, Queue & PushIds>): void {
  describe(`Queue of ${name}`, () => {
    for (const part of [inboxes, broadcasts, pushIds, clock, everyonesLog, handles]) part(candidate)
  })
}
