import { Random } from '../rig/random.ts'
import type { Fault, PlannedFault } from './faults/fault.ts'
import type { Settings } from './settings.ts'

/** Before the first fault, in ms: all clients connect and the measurements settle. */
const CALM_START = 5_000
const [SHORTEST_QUIET, LONGEST_QUIET] = [1_500, 6_000]

export interface Scheduled extends PlannedFault {
  readonly name: string
  /** ms without a fault before it. */
  readonly quiet: number
}

/** ms without faults at the end: leases run out, and then everything has to work for 15 s. */
export function calmEnd({ deadAfter, heartbeat, seconds }: Settings): number {
  return Math.min(seconds * 400, deadAfter + 2 * heartbeat + 15_000)
}

/**
 * An endless schedule; the runner stops in time. The faults are drawn in rounds that contain each fault once, so that a
 * long run has had all of them.
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
