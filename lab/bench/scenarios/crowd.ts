import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import { LoadClient } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import type { Stage, System } from '../systems/system.ts'

const WARM_UP = 500
const SETTLE = 1_000

/** A node that runs alone and is warmed up: some connections have come and gone. */
export async function startAlone(
  system: System,
  flags: readonly string[] = [],
): Promise<{ stage: Stage; node: NodeProcess }> {
  const stage = await system.start({ hasPublisher: false, subjectFlags: flags })
  try {
    const { node } = stage
    if (node === undefined) throw new LabError(`${system.label} has no node that takes requests`)
    const visitors = await openCrowd(system, stage, WARM_UP)
    await visitors.close()
    await sleep(SETTLE)
    return { stage, node }
  } catch (error) {
    await stage.stop()
    throw error
  }
}

/** Connects this many users to the node. */
export function openCrowd(
  system: System,
  { ports }: Stage,
  count: number,
  options: { countsRounds?: boolean } = {},
): Promise<LoadClient> {
  return LoadClient.open({ ports, count, greeting: system.greeting, ...options })
}

/** Makes sure that a push reaches every connection, because otherwise the measurement would be meaningless. */
export async function requireReachable(node: NodeProcess, crowd: LoadClient, users: number): Promise<void> {
  await crowd.begin()
  const { sent } = await node.call('publish', { rate: users, seconds: 1, users })
  const { messages, closed } = await crowd.settle(sent)
  if (sent > 0 && messages === sent && closed === 0) return
  throw new LabError(
    `${node.child.name}: ${messages} of ${sent} pushes to its users arrived; ${closed} connections have closed`,
  )
}
