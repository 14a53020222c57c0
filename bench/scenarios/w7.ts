import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from '../rig/bench-error.ts'
import { StoreMeter, type StoreWork } from '../rig/store-meter.ts'
import type { System } from '../systems/system.ts'
import type { Goal } from './goal.ts'
import { type Figures, type RunOptions, type Scenario, thorough } from './scenario.ts'
import { Trial } from './trial.ts'

const SIZES = thorough.clusterSizes
const USERS = 124
/** So far apart that nothing is gathered, not even acks: each push pays for itself. */
const RATE = 25
/** ms; so far apart that none falls into a measurement: what nodes cost that only live is not a push's. */
const HEARTBEAT = 60_000
/** Growth that is no growth. */
const TOLERANCE = 1.05

export const w7: Scenario = {
  id: 'W7',
  title: 'What a push costs the store as the cluster grows',
  method:
    `One node pushes to ${USERS} users in turn, who are spread over all the others, ${1000 / RATE} ms apart. What the ` +
    'store does, less what it does when nobody pushes, for each push.',
  systems: ['flotilla', 'socketio-redis', 'socketio-streams'],
  figures: [
    ...SIZES.map((size) => ({ key: `commands${size}`, label: `${size} nodes`, unit: 'commands' })),
    ...SIZES.map((size) => ({ key: `bytes${size}`, label: `${size} nodes`, unit: 'bytes' })),
  ],
  chart: {
    title: 'Bytes in and out of the store',
    unit: 'bytes a push',
    better: 'less',
    bars: SIZES.map((size) => ({ key: `bytes${size}`, label: `${size} nodes` })),
  },
  goals: [growth('commands'), growth('bytes')],
  async run(system, { seconds, clusterSizes }, options) {
    const figures: Record<string, number> = {}
    for (const size of clusterSizes) Object.assign(figures, await measureAt(size, system, seconds, options))
    return figures
  },
}

async function measureAt(
  size: number,
  system: System,
  seconds: number,
  { note, ...flags }: RunOptions,
): Promise<Figures> {
  const trial = await Trial.open(system, { ...flags, servers: size - 1, heartbeat: HEARTBEAT }, USERS, note)
  const { store } = trial.stage
  if (store === undefined) throw new BenchError(`${system.label} has no store`)
  const meter = new StoreMeter(store)
  try {
    await trial.measure({ rate: RATE, seconds: 1, users: USERS })
    const idle = await workDuring(meter, () => sleep(seconds * 1000))
    const busy = await workDuring(meter, () => trial.measureAll({ rate: RATE, seconds, users: USERS }))
    const { sent } = busy.result.published
    // The same time passes in both, but for what a measurement needs to begin and end.
    const perPush = (key: keyof StoreWork): number => (busy[key] - idle[key] * (busy.ms / idle.ms)) / sent
    const [commands, bytes] = [perPush('commands'), perPush('bytes')]
    if (commands > 0 && bytes > 0) return { [`commands${size}`]: commands, [`bytes${size}`]: bytes }
    throw new BenchError(`${system.label} at ${size} nodes: the store did more without pushes than with them`)
  } finally {
    meter.close()
    await trial.close()
  }
}

async function workDuring<Result>(
  meter: StoreMeter,
  work: () => Promise<Result>,
): Promise<StoreWork & { ms: number; result: Result }> {
  const before = await meter.read()
  const begin = performance.now()
  const result = await work()
  const ms = performance.now() - begin
  const after = await meter.read()
  return { commands: after.commands - before.commands, bytes: after.bytes - before.bytes, ms, result }
}

function growth(what: 'commands' | 'bytes'): Goal {
  return {
    label: `${what} at ${SIZES.at(-1)} nodes, beside ${SIZES[0]}`,
    target: TOLERANCE,
    unit: '×',
    better: 'less',
    measure(find) {
      const [few, many] = [find('flotilla', `${what}${SIZES[0]}`), find('flotilla', `${what}${SIZES.at(-1)}`)]
      return few === undefined || many === undefined ? undefined : many / few
    },
  }
}
