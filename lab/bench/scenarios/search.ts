import { LabError } from '../../rig/lab-error.ts'
import type { Effort } from './scenario.ts'
import { isComplete, type Result, type Trial } from './trial.ts'

interface Search {
  /** The first rate, in messages a second. */
  readonly from: number
  /** In ms. A greater p99 fails. */
  readonly p99: number
  readonly users?: number
}

/** How many seconds each rate is tried for while the rate still doubles. */
const GLANCE = 0.5
const STEP = 2
const LEAST_RATE = 1

/**
 * The greatest rate that a system sustains: every message arrives soon enough, nothing is refused, and no client is
 * disconnected. The rate doubles until that fails, then the interval is halved.
 */
export async function greatestRate(trial: Trial, search: Search, effort: Effort): Promise<Result> {
  const { seconds, resolution, attempts, rate: given } = effort
  const users = search.users === undefined ? {} : { users: search.users }
  const sustained = async (rate: number, duration: number): Promise<Result | undefined> => {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const result = await trial.measure({ rate, seconds: duration, ...users })
      if (isComplete(result) && result.p99 <= search.p99) return result
      if (result.arrivals.closed > 0) await trial.reconnect()
    }
    return undefined
  }
  if (given !== undefined) return trial.measureAll({ rate: given, seconds, ...users })
  let high = search.from
  while ((await sustained(high, GLANCE)) !== undefined) high *= STEP
  let low = high / STEP ** 2
  let best: Result | undefined
  while (best === undefined || high / low > 1 + resolution) {
    const rate = best === undefined ? low : Math.sqrt(low * high)
    const result = await sustained(rate, seconds)
    if (result === undefined) high = rate
    else best = result
    low = best?.asked ?? low / STEP
    if (low < LEAST_RATE) throw new LabError(`not even ${rate} messages/s arrive within ${search.p99} ms`)
  }
  return best
}
