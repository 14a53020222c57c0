import { BenchError } from '../rig/bench-error.ts'
import { times } from './goal.ts'
import type { Scenario } from './scenario.ts'
import { Trial } from './trial.ts'

const CONNECTIONS = 1_000
const WARM_UP = { count: 20, pause: 20 }
/** ms between two: each has long arrived when the next one is pushed. */
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
  async run(system, { seconds }, { note, subjectFlags = [] }) {
    const trial = await Trial.open(system, { hasPublisher: false, subjectFlags }, CONNECTIONS, note)
    try {
      const { node } = trial.stage
      await node?.call('rounds', WARM_UP)
      await trial.client.begin()
      const count = seconds * PER_SECOND
      await node?.call('rounds', { count, pause: PAUSE })
      const { round } = await trial.client.settle(count * CONNECTIONS)
      if (round.count !== count) {
        throw new BenchError(
          `${system.label}: of ${count} broadcasts ${round.count} reached all ${CONNECTIONS} connections`,
        )
      }
      return { p50: round.p50 / NS_PER_MS, p90: round.p90 / NS_PER_MS }
    } finally {
      await trial.close()
    }
  },
}
