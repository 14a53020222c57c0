import type { Nodes } from '../../src/drivers/nodes.ts'
import type { Routes } from '../../src/drivers/routes.ts'
import { eviction } from './nodes/eviction.ts'
import { membership } from './nodes/membership.ts'
import type { Candidate } from './stage.ts'

/** Every MUST of `Nodes`. A node that has joined may write, therefore it takes `apply`, too. */
export function nodes(candidate: () => Candidate<Nodes & Pick<Routes, 'apply'>>): void {
  for (const part of [membership, eviction]) part(candidate)
}
