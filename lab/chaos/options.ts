import { parseArgs } from 'node:util'
import { LabError } from '../rig/lab-error.ts'
import { choice, orUsage, whole } from '../rig/options.ts'
import { Random } from '../rig/random.ts'
import type { Fault } from './faults/fault.ts'
import { faults } from './faults/faults.ts'
import { starve } from './faults/nodes.ts'
import { canSetClocksOff } from './rig/clock-offset.ts'
import type { Settings } from './settings.ts'
import { type StoreKind, storeKinds } from './store-kind.ts'
import { plants } from './traffic/plant.ts'

const clockKinds = ['right', 'apart'] as const
const [FEWEST_NODES, MOST_NODES] = [2, 8]

export const usage = `npm run chaos -- [options]

  --seed N           decides everything random, so that a run can be repeated (default: a new one, which is printed)
  --runs A..B        one run for each of these seeds, and a table of the runs
  --seconds N        how long pushes go on (90)
  --nodes N          ${FEWEST_NODES} to ${MOST_NODES} (default: 3 to 5, decided by the seed)
  --clients N        WebSocket connections (300)
  --rate N           pushes a second (500)
  --store KIND       ${storeKinds.join(', ')} (default: decided by the seed)
  --starve           only the fault starve: nodes get a tenth of a core for a while; with --fault, those faults as well
  --clocks WHICH     ${clockKinds.join(', ')}: whether the wall clocks of the store's servers differ (default: decided by the seed)
  --fault NAME       only this fault; may be repeated: none, ${faults.map(({ name }) => name).join(', ')}
  --heartbeat MS     the nodes' option (1000)
  --dead-after MS    the nodes' option (4000)
  --slack MS         how much later than promised still counts as in time, if the machine is busy (0)
  --plant BUG        a bug on the clients' side that the checker must find: ${plants.join(', ')}
  --out DIR          write the report to this folder (lab/chaos/last)
  --write            also write the table of --runs to lab/chaos/results.md
`

export interface Options {
  /** One for each seed. */
  readonly runs: readonly Settings[]
  readonly out: string | undefined
  readonly isWritten: boolean
}

/** @throws LabError that says what to change */
export function parseOptions(args: string[]): Options | 'help' {
  const { values } = parse(args)
  if (values.help === true) return 'help'
  const seeds = seedsOf(values.runs, values.seed)
  return {
    runs: seeds.map((seed) => settingsOf(seed, values)),
    out: values.out,
    isWritten: values.write === true,
  }
}

type Values = ReturnType<typeof parse>['values']

function parse(args: string[]) {
  return orUsage(usage, () =>
    parseArgs({
      args,
      options: {
        seed: { type: 'string' },
        runs: { type: 'string' },
        seconds: { type: 'string' },
        nodes: { type: 'string' },
        clients: { type: 'string' },
        rate: { type: 'string' },
        store: { type: 'string' },
        fault: { type: 'string', multiple: true },
        starve: { type: 'boolean' },
        clocks: { type: 'string' },
        heartbeat: { type: 'string' },
        'dead-after': { type: 'string' },
        slack: { type: 'string' },
        plant: { type: 'string' },
        out: { type: 'string' },
        write: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }),
  )
}

function seedsOf(runs: string | undefined, seed: string | undefined): number[] {
  if (runs === undefined) return [whole('--seed', seed, Math.floor(Math.random() * 1_000_000), 0)]
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(runs) ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first)) {
    throw new LabError(`--runs is ${runs}: give two seeds such as 1..20`)
  }
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => Number(first) + index)
}

function settingsOf(seed: number, values: Values): Settings {
  const random = new Random(seed).fork('settings')
  const nodes = whole('--nodes', values.nodes, random.int(3, 5), FEWEST_NODES, MOST_NODES)
  const store = choice('--store', values.store ?? random.pick(storeKinds), storeKinds)
  const names = values.starve === true ? [...(values.fault ?? []), starve.name] : values.fault
  const usable = faultsFor(store, names)
  const heartbeat = whole('--heartbeat', values.heartbeat, 1_000, 50)
  const deadAfter = whole('--dead-after', values['dead-after'], 4_000, 3 * heartbeat)
  return {
    seed,
    seconds: whole('--seconds', values.seconds, 90, 5, 3_600),
    nodes,
    clients: whole('--clients', values.clients, 300, 10, 5_000),
    rate: whole('--rate', values.rate, 500, 1, 10_000),
    store,
    faults: usable,
    heartbeat,
    deadAfter,
    slack: whole('--slack', values.slack, 0, 0),
    clocks: clocksFor(store, seed, values.clocks),
    plant: values.plant === undefined ? undefined : choice('--plant', values.plant, plants),
  }
}

/** How many servers of a store have clocks that can be shifted: a master and its replica, or three of each. */
const serverCounts: Record<StoreKind, number> = { single: 0, sentinel: 2, cluster: 6 }
/** How far a server's clock may be off, in ms. */
const FURTHEST_OFF = 150

function clocksFor(store: StoreKind, seed: number, kind: string | undefined): number[] {
  const random = new Random(seed).fork('clocks')
  const drawn = canSetClocksOff && random.chance(0.5) ? 'apart' : 'right'
  const chosen = kind === undefined ? drawn : choice('--clocks', kind, clockKinds)
  if (chosen === 'right') return []
  if (!canSetClocksOff) throw new LabError('--clocks apart needs gcc')
  return Array.from({ length: serverCounts[store] }, () => random.int(-FURTHEST_OFF, FURTHEST_OFF))
}

function faultsFor(store: StoreKind, names: readonly string[] | undefined): Fault[] {
  const possible = faults.filter(({ stores }) => stores.includes(store))
  if (names?.includes('none') === true) return []
  if (names === undefined) return possible.filter(({ lacks }) => lacks === undefined)
  return names.map((name) => {
    const fault = faultNamed(name)
    if (fault.lacks !== undefined) throw new LabError(`--fault ${name} needs ${fault.lacks}`)
    if (possible.includes(fault)) return fault
    throw new LabError(`--fault ${name} cannot be used with --store ${store}, only with ${fault.stores.join(', ')}`)
  })
}

function faultNamed(name: string): Fault {
  const names = faults.map((fault) => fault.name)
  return faults.find((fault) => fault.name === choice('--fault', name, names))!
}
