import { atMost, times } from './goal.ts'
import type { Scenario } from './scenario.ts'
import { greatestRate } from './search.ts'
import { Trial } from './trial.ts'

const CONNECTIONS = 1_000
const STEADY_RATE = 100
const P99_LIMIT = 500

export const w1: Scenario = {
  id: 'W1',
  title: 'Broadcast across nodes',
  method:
    `One node publishes, ${CONNECTIONS} clients are connected to another. First ${STEADY_RATE} messages/s, which are ` +
    `${STEADY_RATE * CONNECTIONS} frames/s; then the greatest rate whose p99 stays under ${P99_LIMIT} ms.`,
  systems: ['flotilla', 'ws', 'nats', 'nchan-memory', 'nchan', 'nchan-stored', 'socketio-redis', 'socketio-streams'],
  figures: [
    { key: 'perSecond', label: 'saturated', unit: 'frames/s' },
    { key: 'p99', label: 'p99', unit: 'ms' },
    { key: 'steadyPerSecond', label: `at ${STEADY_RATE}/s`, unit: 'frames/s' },
    { key: 'steadyP99', label: 'p99', unit: 'ms' },
  ],
  chart: { title: 'Saturated', unit: 'frames/s', better: 'more', bars: [{ key: 'perSecond' }] },
  goals: [
    times(1, 'saturated, beside NATS', 'perSecond', ['nats']),
    times(30, "saturated, beside Socket.IO's better adapter", 'perSecond', ['socketio-redis', 'socketio-streams']),
    atMost(P99_LIMIT, 'ms', 'p99, saturated', 'p99'),
    atMost(100, 'ms', `p99 at ${STEADY_RATE} messages/s, all delivered`, 'steadyP99'),
  ],
  async run(system, effort, { note, ...flags }) {
    const trial = await Trial.open(system, flags, CONNECTIONS, note)
    try {
      await trial.measure({ rate: STEADY_RATE / 2, seconds: 1 })
      const steady = await trial.measureAll({ rate: STEADY_RATE, seconds: effort.seconds })
      const best = await greatestRate(trial, { from: STEADY_RATE / 2, p99: P99_LIMIT }, effort)
      return {
        perSecond: best.perSecond,
        p99: best.p99,
        steadyPerSecond: steady.perSecond,
        steadyP99: steady.p99,
      }
    } finally {
      await trial.close()
    }
  },
}
