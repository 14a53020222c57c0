const ROUNDS = 7

/**
 * How many times the CPU time of the control a call takes. Both are run in turns and the best round of each counts, so
 * that it depends neither on the machine nor on what else it does.
 */
export function costOf(call: () => unknown, control: () => unknown): number {
  let [best, bestControl] = [Infinity, Infinity]
  for (let round = 0; round < ROUNDS; round++) {
    bestControl = Math.min(bestControl, cpuTimeOf(control))
    best = Math.min(best, cpuTimeOf(call))
  }
  return best / bestControl
}

/** In µs. */
function cpuTimeOf(call: () => unknown): number {
  const before = process.cpuUsage()
  call()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
