import type { Fault } from './faults/fault.ts'
import type { StagePlan } from './rig/stage.ts'
import type { PlantedBug } from './traffic/plant.ts'

/** Everything that decides a run. */
export interface Settings extends StagePlan {
  readonly seconds: number
  readonly clients: number
  /** Pushes a second. */
  readonly rate: number
  readonly faults: readonly Fault[]
  /** How many ms later than promised still counts as in time. */
  readonly slack: number
  readonly plant: PlantedBug | undefined
}
