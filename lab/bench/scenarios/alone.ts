import { LabError } from '../../rig/lab-error.ts'
import type { Arrivals } from '../rig/load-client.ts'
import type { AlonePlan } from '../rig/node-process.ts'
import type { Trial } from './trial.ts'

/** Single pushes from the publisher to one user after another, all of which must arrive. */
export async function pushAlone({ stage, client }: Trial, plan: AlonePlan): Promise<Arrivals> {
  const { publisher, subject } = stage
  await client.begin()
  await publisher?.call('pushAlone', plan)
  const arrivals = await client.settle(plan.count)
  if (arrivals.messages === plan.count && arrivals.closed === 0) return arrivals
  throw new LabError(
    `${subject.name}: ${arrivals.messages} of ${plan.count} lone pushes arrived; ${arrivals.closed} connections have closed`,
  )
}
