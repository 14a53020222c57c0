import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import { StoreMeter, type StoreWork } from '../rig/store-meter.ts'
import type { System } from '../systems/system.ts'
import { pushAlone } from './alone.ts'
import type { Goal } from './goal.ts'
import { type Figures, type RunOptions, type Scenario, thorough } from './scenario.ts'
import { Trial } from './trial.ts'

const SIZES = thorough.clusterSizes
const USERS = 124
const WARM_UP = 20
/** ms between two pushes. Nothing is gathered, not even acks, so each push pays for itself. */
const PAUSE = 40
const plan = { pause: PAUSE, users: USERS }
/** ms between heartbeats: so long that none falls into a measurement, because a push does not cause them. */
const HEARTBEAT = 60_000
/** Growth up to this factor counts as none. */
const TOLERANCE = 1.05

export const w7: Scenario = {
  id: 'W7',
  title: "The store's work for a push as the cluster grows",
  method:
    `One node pushes to ${USERS} users in turn, who are spread over all other nodes, ${PAUSE} ms apart. The store's ` +
    'work is measured for each push, minus its work while nobody pushes.',
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
  if (store === undefined) throw new LabError(`${system.label} has no store`)
  const meter = new StoreMeter(store)
  try {
    await pushAlone(trial, { ...plan, count: WARM_UP })
    const idle = await workDuring(meter, () => sleep(seconds * 1000))
    const count = Math.ceil((seconds * 1000) / PAUSE)
    const busy = await workDuring(meter, () => pushAlone(trial, { ...plan, count }))
    const perPush = (during: number, without = 0): number => (during - without * (busy.ms / idle.ms)) / count
    const calls = [...busy.calls].map(([name, during]) => ({ name, each: perPush(during, idle.calls.get(name)) }))
    const commands = calls.reduce((sum, { each }) => sum + each, 0)
    const bytes = perPush(busy.bytes, idle.bytes)
    note(
      `${size} nodes, commands a push: ${calls
        .filter(({ each }) => each > 0.01)
        .map(({ name, each }) => `${name} ${each.toFixed(2)}`)
        .join(', ')}`,
    )
    if (commands > 0 && bytes > 0) return { [`commands${size}`]: commands, [`bytes${size}`]: bytes }
    throw new LabError(`${system.label} at ${size} nodes: the store did more without pushes than with them`)
  } finally {
    meter.close()
    await trial.close()
  }
}

async function workDuring(meter: StoreMeter, work: () => Promise<unknown>): Promise<StoreWork & { ms: number }> {
  const before = await meter.read()
  const begin = performance.now()
  await work()
  const ms = performance.now() - begin
  const after = await meter.read()
  const calls = new Map([...after.calls].map(([name, count]) => [name, count - (before.calls.get(name) ?? 0)]))
  return { calls, bytes: after.bytes - before.bytes, ms }
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
