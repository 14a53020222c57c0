import { describe } from 'node:test'
import type { State } from '../../src/drivers/state.ts'
import { cursors } from './cursors.ts'
import { log } from './log.ts'
import { nodes } from './nodes.ts'
import { parking } from './parking.ts'
import { routes } from './routes.ts'
import type { Candidate } from './stage.ts'
import { handles } from './state/handles.ts'

/** Tests every MUST of `State` with a driver on a real store. */
export function stateContract(name: string, candidate: () => Candidate<State>): void {
  describe(`State of ${name}`, () => {
    for (const part of [nodes, routes, parking, log, cursors, handles]) part(candidate)
  })
}
