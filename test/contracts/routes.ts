import type { Nodes } from '../../src/drivers/nodes.ts'
import type { Routes } from '../../src/drivers/routes.ts'
import { bindings } from './routes/bindings.ts'
import { fence } from './routes/fence.ts'
import { groups } from './routes/groups.ts'
import { model } from './routes/model.ts'
import type { Candidate } from './stage.ts'

/** Tests every MUST of `Routes`. It needs `Nodes`, too, because only a node that has joined may write. */
export function routes(candidate: () => Candidate<Nodes & Routes>): void {
  for (const part of [bindings, groups, fence, model]) part(candidate)
}
