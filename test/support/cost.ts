const ROUNDS = 7

/**
 * The CPU time of a call as a multiple of the control's. Both run in turn, and the best round of each counts, so that
 * the result depends neither on the machine nor on its load.
 */
export function costOf(call: () => unknown, control: () => unknown): number {
  let [best, bestControl] = [Infinity, Infinity]
  for (let round = 0; round < ROUNDS; round++) {
    bestControl = Math.min(bestControl, cpuTimeOf(control))
    best = Math.min(best, cpuTimeOf(call))
  }
  return best / bestControl
}

/** CPU time in µs. */
function cpuTimeOf(call: () => unknown): number {
  const before = process.cpuUsage()
  call()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
