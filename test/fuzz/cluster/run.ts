import * as fc from 'fast-check'
import { runs } from '../../support/fuzz.ts'
import { anySteps, type Step } from './steps.ts'
import { type Store, World } from './world.ts'

/** Time for all histories in ms, times `FLOTILLA_FUZZ`. */
const BUDGET = 14_000

/**
 * Runs as many random histories as there is time for; most of that time they wait for leases to run out. A history that
 * has begun runs to its end, so that even a slow machine runs at least one.
 */
export async function live(store: Store, count: number): Promise<void> {
  const end = performance.now() + BUDGET * Number(process.env['FLOTILLA_FUZZ'] ?? 1)
  const property = fc.asyncProperty(anySteps(store.lose !== undefined), async (steps) => {
    if (performance.now() < end) await run(store, steps)
  })
  await fc.assert(property, runs<[Step[]]>(count))
}

async function run(store: Store, steps: readonly Step[]): Promise<void> {
  const world = new World(store)
  try {
    await world.start()
    for (const step of steps) await world.take(step)
    await world.check()
  } finally {
    await world.close()
  }
}
