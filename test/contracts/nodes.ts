import type { Nodes } from '../../src/drivers/nodes.ts'
import type { Routes } from '../../src/drivers/routes.ts'
import { eviction } from './nodes/eviction.ts'
import { membership } from './nodes/membership.ts'
import type { Candidate } from './stage.ts'

/** Tests every MUST of `Nodes`. It needs `apply`, too, because a node that has joined may write. */
export function nodes(candidate: () => Candidate<Nodes & Pick<Routes, 'apply'>>): void {
  for (const part of [membership, eviction]) part(candidate)
}
