import type { Cursors } from '../../src/drivers/cursors.ts'
import type { Log } from '../../src/drivers/log.ts'
import type { Nodes } from '../../src/drivers/nodes.ts'
import type { Routes } from '../../src/drivers/routes.ts'
import { appends } from './log/appends.ts'
import { pages } from './log/pages.ts'
import { trimming } from './log/trimming.ts'
import type { Candidate } from './stage.ts'

/** Tests every MUST of `Log` with the channels of State. */
export function log(candidate: () => Candidate<Nodes & Routes & Log & Cursors>): void {
  for (const part of [appends, pages, trimming]) part(candidate)
}
