import { BenchError } from '../rig/bench-error.ts'
import { hop } from '../systems/hop.ts'
import type { System } from '../systems/system.ts'
import type { Effort, Figures, RunOptions, Scenario } from './scenario.ts'
import { Trial } from './trial.ts'

const USERS = 100
/** Ten milliseconds apart: each is long over when the next one comes. */
const RATE = 100
const NS_PER_MS = 1e6
const HOP_MARGIN = 0.4

export const w3: Scenario = {
  id: 'W3',
  title: 'One push, idle',
  method: `Lone pushes to one user after another, ${1000 / RATE} ms apart, across nodes: from the call to the arrival.`,
  systems: ['hop', 'flotilla', 'ws', 'socketio-redis', 'socketio-streams'],
  figures: [
    { key: 'p50', label: 'p50', unit: 'ms' },
    { key: 'p99', label: 'p99', unit: 'ms' },
  ],
  chart: { title: 'p50 from call to arrival', unit: 'ms', better: 'less', bars: [{ key: 'p50' }] },
  goals: [
    {
      label: 'p50 above that of a bare hop',
      target: HOP_MARGIN,
      unit: 'ms',
      better: 'less',
      measure(find) {
        const [ours, bare] = [find('flotilla', 'p50'), find('hop', 'p50')]
        return ours === undefined || bare === undefined ? undefined : ours - bare
      },
    },
  ],
  run: (system, effort, options) => (system.id === hop.id ? runHop(effort) : runPushes(system, effort, options)),
}

const planOf = ({ seconds }: Effort) => ({ rate: RATE, seconds: 2 * seconds, users: USERS })
const warmUp = { rate: RATE, seconds: 1, users: USERS }

async function runPushes(system: System, effort: Effort, { note, ...flags }: RunOptions): Promise<Figures> {
  const trial = await Trial.open(system, flags, USERS, note)
  try {
    await trial.measure(warmUp)
    const { p50, p99 } = await trial.measureAll(planOf(effort))
    return { p50, p99 }
  } finally {
    await trial.close()
  }
}

/** Nobody is connected: the reader itself says when what arrived. */
async function runHop(effort: Effort): Promise<Figures> {
  const { node, publisher, stop } = await hop.start({})
  try {
    await publisher?.call('publish', warmUp)
    await node?.call('latencies', {})
    const published = await publisher?.call('publish', planOf(effort))
    const latencies = (await node?.call('latencies', {}))?.toSorted((a, b) => a - b) ?? []
    if (latencies.length === 0 || latencies.length !== published?.sent) {
      throw new BenchError(`${hop.label}: of ${published?.sent} messages ${latencies.length} arrived`)
    }
    const quantile = (share: number): number => (latencies[Math.floor(share * latencies.length)] ?? 0) / NS_PER_MS
    return { p50: quantile(0.5), p99: quantile(0.99) }
  } finally {
    await stop()
  }
}
