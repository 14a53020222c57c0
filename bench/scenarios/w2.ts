import type { Scenario } from './scenario.ts'
import { greatestRate } from './search.ts'
import { Trial } from './trial.ts'

const USERS = 1_000
const STEADY_RATE = 10_000
const FIRST_RATE = 2_000
const P99_LIMIT = 250

export const w2: Scenario = {
  id: 'W2',
  title: 'Push to a user across nodes',
  method:
    `A node pushes to ${USERS} users in turn, who are connected to another. First ${STEADY_RATE} messages/s, ` +
    `then the greatest rate whose p99 stays under ${P99_LIMIT} ms.`,
  systems: ['flotilla', 'ws', 'nats', 'socketio-redis', 'socketio-streams'],
  figures: [
    { key: 'perSecond', label: 'saturated', unit: 'messages/s', better: 'more' },
    { key: 'p99', label: 'p99 there', unit: 'ms', better: 'less' },
    { key: 'steadyPerSecond', label: `at ${STEADY_RATE} messages/s`, unit: 'messages/s', better: 'more' },
    { key: 'steadyP50', label: 'p50 there', unit: 'ms', better: 'less' },
    { key: 'steadyP99', label: 'p99 there', unit: 'ms', better: 'less' },
  ],
  async run(system, effort, { note, ...flags }) {
    const trial = await Trial.open(system, flags, USERS, note)
    try {
      await trial.measure({ rate: FIRST_RATE, seconds: 1, users: USERS })
      const steady = await trial.measure({ rate: STEADY_RATE, seconds: effort.seconds, users: USERS })
      const best = await greatestRate(trial, { from: FIRST_RATE, p99: P99_LIMIT, users: USERS }, effort)
      return {
        perSecond: best.perSecond,
        p99: best.p99,
        steadyPerSecond: steady.perSecond,
        steadyP50: steady.p50,
        steadyP99: steady.p99,
      }
    } finally {
      await trial.close()
    }
  },
}
