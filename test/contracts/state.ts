import { describe } from 'node:test'
import type { Candidate } from './stage.ts'
import { bindings } from './state/bindings.ts'
import { eviction } from './state/eviction.ts'
import { fence } from './state/fence.ts'
import { groups } from './state/groups.ts'
import { handles } from './state/handles.ts'
import { membership } from './state/membership.ts'
import { model } from './state/model.ts'
import { parking } from './state/parking.ts'

/** Every MUST of `State`, asked of a driver on a real store. */
export function stateContract(name: string, candidate: () => Candidate): void {
  describe(`State of ${name}`, () => {
    for (const part of [membership, eviction, bindings, groups, fence, parking, handles, model]) part(candidate)
  })
}
