import type { Scenario } from './scenarios/scenario.ts'
import type { System } from './systems/system.ts'

/** The chosen systems that take part in a scenario. Another build of Flotilla takes part wherever Flotilla does. */
export function contestants({ systems: ids }: Scenario, systems: readonly System[]): System[] {
  return systems.filter(({ id, kind }) => ids.includes(id) || ids.includes(kind))
}
