import { LabError } from '../../rig/lab-error.ts'
import { hop } from '../systems/hop.ts'
import type { System } from '../systems/system.ts'
import { pushAlone } from './alone.ts'
import type { Effort, Figures, RunOptions, Scenario } from './scenario.ts'
import { Trial } from './trial.ts'

const USERS = 100
/** In ms. Each push is long done when the next one is made. */
const PAUSE = 10
const PER_SECOND = 200
const WARM_UP = 100
const NS_PER_MS = 1e6
const HOP_MARGIN = 0.4

export const w3: Scenario = {
  id: 'W3',
  title: 'One push, idle',
  method: `Lone pushes to one user after another, ${PAUSE} ms apart, across nodes: from the call to the arrival.`,
  systems: ['hop', 'flotilla', 'ws', 'nchan-memory', 'nchan', 'nchan-stored', 'socketio-redis', 'socketio-streams'],
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

const plan = { pause: PAUSE, users: USERS }

async function runPushes(system: System, { seconds }: Effort, { note, ...flags }: RunOptions): Promise<Figures> {
  const trial = await Trial.open(system, flags, USERS, note)
  try {
    await pushAlone(trial, { ...plan, count: WARM_UP })
    const { latency } = await pushAlone(trial, { ...plan, count: seconds * PER_SECOND })
    return { p50: latency.p50 / NS_PER_MS, p99: latency.p99 / NS_PER_MS }
  } finally {
    await trial.close()
  }
}

/** Nobody is connected: the reader itself reports when each message arrived. */
async function runHop({ seconds }: Effort): Promise<Figures> {
  const { node, publisher, stop } = await hop.start({})
  try {
    await publisher?.call('pushAlone', { ...plan, count: WARM_UP })
    await node?.call('latencies', { count: WARM_UP })
    const count = seconds * PER_SECOND
    await publisher?.call('pushAlone', { ...plan, count })
    const latencies = (await node?.call('latencies', { count }))?.toSorted((a, b) => a - b) ?? []
    if (latencies.length !== count)
      throw new LabError(`${hop.label}: only ${latencies.length} of ${count} messages arrived`)
    const quantile = (share: number): number => (latencies[Math.floor(share * count)] ?? 0) / NS_PER_MS
    return { p50: quantile(0.5), p99: quantile(0.99) }
  } finally {
    await stop()
  }
}
