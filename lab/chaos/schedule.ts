import { Random } from '../rig/random.ts'
import type { Fault, PlannedFault } from './faults/fault.ts'
import type { Settings } from './settings.ts'

/** Before the first fault: everybody is connected and what is measured settles. */
const CALM_START = 5_000
const [SHORTEST_QUIET, LONGEST_QUIET] = [1_500, 6_000]

export interface Scheduled extends PlannedFault {
  readonly name: string
  /** ms of quiet before it. */
  readonly quiet: number
}

/** ms without faults at the end: for leases to run out, and 15 s in which everything has to be well again. */
export function calmEnd({ deadAfter, heartbeat, seconds }: Settings): number {
  return Math.min(seconds * 400, deadAfter + 2 * heartbeat + 15_000)
}

/**
 * More faults than there is time for: whoever runs them stops in time. Drawn in rounds, each fault once, so that a long
 * run has met them all.
 */
export function* scheduleOf(settings: Settings): Generator<Scheduled> {
  const random = new Random(settings.seed).fork('schedule')
  const start = Math.min(CALM_START, settings.seconds * 100)
  let isFirst = true
  while (settings.faults.length > 0) {
    for (const fault of random.shuffle(settings.faults)) {
      const quiet = isFirst ? start : random.between(SHORTEST_QUIET, LONGEST_QUIET)
      isFirst = false
      yield planned(fault, quiet, random, settings)
    }
  }
}

function planned(fault: Fault, quiet: number, random: Random, settings: Settings): Scheduled {
  const { nodes, clients, heartbeat, deadAfter } = settings
  return { name: fault.name, quiet, ...fault.plan(random, { nodes, clients, heartbeat, deadAfter }) }
}
