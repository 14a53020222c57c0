import { LabError } from '../../rig/lab-error.ts'
import type { LoadClient, Quantiles } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import { openCrowd, startAlone } from './crowd.ts'
import { times } from './goal.ts'
import type { Scenario } from './scenario.ts'

const CONNECTIONS = 1_000
const WARM_UP = 20
/** ms between two broadcasts. Each has long arrived when the next one is made. */
const PAUSE = 50
const PER_SECOND = 20
const NS_PER_MS = 1e6

export const w6: Scenario = {
  id: 'W6',
  title: 'Lone broadcast',
  method: `A node pushes to its ${CONNECTIONS} connections, ${PAUSE} ms apart: from the push to the last arrival.`,
  systems: ['flotilla', 'ws', 'socketio-redis', 'socketio-streams'],
  figures: [
    { key: 'p50', label: 'median', unit: 'ms' },
    { key: 'p90', label: 'p90', unit: 'ms' },
  ],
  chart: { title: 'To the last arrival, median', unit: 'ms', better: 'less', bars: [{ key: 'p50' }] },
  goals: [times(1, 'beside a bare ws send loop', 'p50', ['ws'], 'less')],
  async run(system, { seconds }, { subjectFlags }) {
    const { stage, node } = await startAlone(system, subjectFlags)
    try {
      const crowd = await openCrowd(system, stage, CONNECTIONS, { countsRounds: true })
      await broadcast(node, crowd, WARM_UP)
      const round = await broadcast(node, crowd, seconds * PER_SECOND)
      await crowd.close()
      return { p50: round.p50 / NS_PER_MS, p90: round.p90 / NS_PER_MS }
    } finally {
      await stage.stop()
    }
  },
}

/** How long each broadcast took to reach the last connection. */
async function broadcast(node: NodeProcess, crowd: LoadClient, count: number): Promise<Quantiles> {
  await crowd.begin()
  await node.call('pushAlone', { count, pause: PAUSE })
  const { round } = await crowd.settle(count * CONNECTIONS)
  if (round.count === count) return round
  const reached = `${round.count} of ${count} broadcasts reached all ${CONNECTIONS} connections`
  throw new LabError(`${node.child.name}: ${reached}`)
}
