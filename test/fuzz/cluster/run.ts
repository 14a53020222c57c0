import * as fc from 'fast-check'
import { runs } from '../../support/fuzz.ts'
import { anySteps, type Step } from './steps.ts'
import { type Store, World } from './world.ts'

/** ms, times `FLOTILLA_FUZZ`. */
const BUDGET = 14_000

/** As many random histories as there is time for: most of it is waited for leases that run out. */
export async function live(store: Store, count: number): Promise<void> {
  const budget = BUDGET * Number(process.env['FLOTILLA_FUZZ'] ?? 1)
  const end = performance.now() + budget
  let underWay = Promise.resolve()
  const property = fc.asyncProperty(anySteps(store.lose !== undefined), (steps) => {
    underWay = run(store, steps, end)
    return underWay
  })
  try {
    await fc.assert(property, { ...runs<[Step[]]>(count), interruptAfterTimeLimit: budget })
  } finally {
    // One that was interrupted must not live on in the next test.
    await underWay.catch(() => {})
  }
}

async function run(store: Store, steps: readonly Step[], end: number): Promise<void> {
  const world = new World(store)
  try {
    await world.start()
    for (const step of steps) if (performance.now() < end) await world.take(step)
    if (performance.now() < end) await world.check()
  } finally {
    await world.close()
  }
}
