import { atMost, times } from './goal.ts'
import type { Scenario } from './scenario.ts'
import { greatestRate } from './search.ts'
import { Trial } from './trial.ts'

const USERS = 1_000
const STEADY_RATE = 10_000
const FIRST_RATE = 8_000
const P99_LIMIT = 250

export const w2: Scenario = {
  id: 'W2',
  title: 'Push to a user across nodes',
  method:
    `One node pushes to ${USERS} users in turn, who are connected to another. First ${STEADY_RATE} messages/s, ` +
    `then the greatest rate whose p99 stays under ${P99_LIMIT} ms.`,
  systems: ['flotilla', 'ws', 'nats', 'nchan-memory', 'nchan', 'nchan-stored', 'socketio-redis', 'socketio-streams'],
  figures: [
    { key: 'perSecond', label: 'saturated', unit: 'messages/s' },
    { key: 'p99', label: 'p99', unit: 'ms' },
    { key: 'steadyP50', label: `p50 at ${STEADY_RATE}/s`, unit: 'ms' },
    { key: 'steadyP99', label: 'p99', unit: 'ms' },
  ],
  chart: { title: 'Saturated', unit: 'messages/s', better: 'more', bars: [{ key: 'perSecond' }] },
  goals: [
    times(1, 'saturated, beside NATS', 'perSecond', ['nats']),
    times(12, "saturated, beside Socket.IO's better adapter", 'perSecond', ['socketio-redis', 'socketio-streams']),
    atMost(P99_LIMIT, 'ms', 'p99, saturated', 'p99'),
    atMost(2, 'ms', `p50 at ${STEADY_RATE} messages/s`, 'steadyP50'),
    atMost(25, 'ms', `p99 at ${STEADY_RATE} messages/s`, 'steadyP99'),
  ],
  async run(system, effort, { note, ...flags }) {
    const trial = await Trial.open(system, flags, USERS, note)
    try {
      await trial.measure({ rate: FIRST_RATE / 2, seconds: 1, users: USERS })
      const steady = await trial.measureAll({ rate: STEADY_RATE, seconds: effort.seconds, users: USERS })
      const best = await greatestRate(trial, { from: FIRST_RATE, p99: P99_LIMIT, users: USERS }, effort)
      return { perSecond: best.perSecond, p99: best.p99, steadyP50: steady.p50, steadyP99: steady.p99 }
    } finally {
      await trial.close()
    }
  },
}
