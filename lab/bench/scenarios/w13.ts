import { LabError } from '../../rig/lab-error.ts'
import { LoadClient } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import type { Stage, System } from '../systems/system.ts'
import { CallMeter, type Calls } from './call-meter.ts'
import type { Goal } from './goal.ts'
import type { Figure, Note, RunOptions, Scenario } from './scenario.ts'

const USERS = 500
const GROUP = 'g'
const GROUP_SIZE = 10_000
const GROUP_PUSHES = 4
/** How many of the group's members come back to check that they receive everything. */
const ASKED = 500
/** In ms. It is longer than any measurement, so that a node is evicted only by a call of `evict`. */
const HEARTBEAT = 60_000
const SECOND = 1_000

/**
 * The users and pushes that a dead node leaves behind. Some of its users are connected elsewhere, or come back later,
 * and must receive every push.
 */
interface Estate {
  readonly key: string
  readonly at: string
  readonly things: 'pushes' | 'users'
  readonly users: number
  readonly path: string
  readonly pushes: number
  readonly target: { readonly users: number } | { readonly group: string }
  readonly elsewhere: number
  readonly returning: number
  /** How many copies each user who is elsewhere or comes back is owed. */
  readonly owed: number
}

export const w13: Scenario = {
  id: 'W13',
  title: 'Taking over what a dead node has left',
  method:
    'A node is paused, is pushed to, and dies; another node is told to take over. It finds pushes to one user each, one ' +
    'in each inbox entry, whose users are connected elsewhere, or are nowhere, so that the messages are parked; or pushes ' +
    `to a group whose ${GROUP_SIZE} members were all on the dead node and are nowhere; or no pushes, but users with a ` +
    'group each. Measured: the calls to the store for each push, beyond those of a takeover without pushes, or for each ' +
    'user; how many pushes or users are taken over a second; and the longest standstill of the node that takes over.',
  systems: ['flotilla'],
  figures: [
    ...figuresOf('elsewhere', 'users elsewhere', 'push'),
    ...figuresOf('nowhere', 'users nowhere', 'push'),
    ...figuresOf('group', `a group of ${GROUP_SIZE}`, 'push'),
    ...figuresOf('users', 'users with a group each', 'user'),
  ],
  chart: {
    title: 'Calls to the store by its clients',
    unit: 'calls',
    better: 'less',
    bars: ['elsewhere', 'nowhere', 'users'].map((key) => ({ key: `${key}Calls`, label: key })),
  },
  goals: [
    callsGoal('elsewhere', 0.2, 'a push, users elsewhere'),
    callsGoal('nowhere', 0.2, 'a push, users nowhere'),
    callsGoal('users', 0.02, 'a user with a group'),
    rateGoal('elsewhere', 50_000, 'pushes a second, users elsewhere'),
    rateGoal('nowhere', 50_000, 'pushes a second, users nowhere'),
  ],
  async run(system, { leftPushes, leftUsers }, options) {
    const figures: Record<string, number> = {}
    const nothing = await measure(NOTHING, system, options)
    for (const estate of estates(leftPushes, leftUsers)) {
      const { key, things } = estate
      const { calls, seconds, standstill } = await measure(estate, system, options)
      const count = estate[things]
      const least = things === 'pushes' ? nothing.calls : { byClients: 0, inScripts: 0 }
      figures[`${key}Calls`] = Math.max(0, calls.byClients - least.byClients) / count
      figures[`${key}InScripts`] = Math.max(0, calls.inScripts - least.inScripts) / count
      figures[`${key}PerSecond`] = count / seconds
      figures[`${key}Standstill`] = standstill
    }
    return figures
  },
}

/** The cost of a dead node that leaves no pushes behind. */
const NOTHING: Estate = {
  key: 'nothing',
  at: 'no pushes',
  things: 'users',
  users: USERS,
  path: '/ws?uid=u%d',
  pushes: 0,
  target: { users: USERS },
  elsewhere: 0,
  returning: 0,
  owed: 0,
}

function estates(pushes: number, users: number): readonly Estate[] {
  const one = { things: 'pushes', users: USERS, path: '/ws?uid=u%d', pushes, target: { users: USERS } } as const
  return [
    { ...one, key: 'elsewhere', at: 'users elsewhere', elsewhere: USERS, returning: 0, owed: pushes / USERS },
    { ...one, key: 'nowhere', at: 'users nowhere', elsewhere: 0, returning: USERS, owed: pushes / USERS },
    {
      key: 'group',
      at: `a group of ${GROUP_SIZE}`,
      things: 'pushes',
      users: GROUP_SIZE,
      path: `/ws?uid=u%d&group=${GROUP}`,
      pushes: GROUP_PUSHES,
      target: { group: GROUP },
      elsewhere: 0,
      returning: ASKED,
      owed: GROUP_PUSHES,
    },
    { ...NOTHING, key: 'users', at: 'users with a group each', users, path: '/ws?uid=u%d&group=g%d' },
  ]
}

function figuresOf(key: string, at: string, thing: string): Figure[] {
  const each = `a ${thing}`
  return [
    { key: `${key}Calls`, label: 'calls', unit: 'each', at: `${at}, ${each}` },
    { key: `${key}InScripts`, label: 'in scripts', unit: 'each', at: `${at}, ${each}` },
    { key: `${key}PerSecond`, label: 'taken over', unit: '1/s', at: `${at}, ${each}` },
    { key: `${key}Standstill`, label: 'standstill', unit: 'ms', at: `${at}, ${each}` },
  ]
}

function callsGoal(key: string, target: number, label: string): Goal {
  const measure: Goal['measure'] = (find) => find('flotilla', `${key}Calls`)
  return { label: `calls ${label}`, target, unit: 'calls', better: 'less', measure }
}

function rateGoal(key: string, target: number, label: string): Goal {
  return { label, target, unit: '1/s', better: 'more', measure: (find) => find('flotilla', `${key}PerSecond`) }
}

interface Takeover {
  readonly calls: Calls
  readonly seconds: number
  /** In ms. */
  readonly standstill: number
}

async function measure(estate: Estate, system: System, { note, ...flags }: RunOptions): Promise<Takeover> {
  const stage = await system.start({ ...flags, heartbeat: HEARTBEAT, countsCalls: true })
  try {
    const dead = await bequeath(estate, stage)
    return await inherit(estate, dead, system, stage, note)
  } finally {
    await stage.stop()
  }
}

/** Lets a node accept its users, pauses it, pushes to it, and kills it. Resolves to its id. */
async function bequeath({ users, path, pushes, target }: Estate, stage: Stage): Promise<string> {
  const doomed = await stage.addNode?.('dying node', 'rest')
  if (doomed === undefined) throw new LabError('there is no node that could die')
  await doomed.call('host', { count: users, path })
  const id = await doomed.call('self', {})
  doomed.child.process.kill('SIGSTOP')
  // One after another, so that each push is an entry of its own.
  if (pushes > 0) await stage.publisher?.call('pushAlone', { count: pushes, pause: 0, ...target })
  doomed.child.process.kill('SIGKILL')
  return id
}

async function inherit(estate: Estate, dead: string, system: System, stage: Stage, note: Note): Promise<Takeover> {
  const { node, publisher } = stage
  if (node === undefined || publisher === undefined) throw new LabError('there is no node that could take over')
  const { at, elsewhere, returning, owed } = estate
  const open = (count: number): Promise<LoadClient> =>
    LoadClient.open({ ports: stage.ports, count, greeting: system.greeting })
  const moved = elsewhere > 0 ? await open(elsewhere) : undefined
  const meter = CallMeter.of(stage, [node, publisher])
  await node.call('beginStandstill', {})
  const { result: seconds, ...calls } = await meter.during(() => evictedBy(node, dead))
  const standstill = await node.call('longestStandstill', {})
  meter.close()
  const back = returning > 0 ? await open(returning) : undefined
  for (const client of [moved, back]) {
    if (client === undefined) continue
    const expected = client.fleet.ready * owed
    const { messages } = await client.settle(expected)
    await client.close()
    if (messages < expected) throw new LabError(`${at}: only ${messages} of ${expected} messages arrived`)
  }
  note(`${at}: ${JSON.stringify({ ...calls, seconds, standstill })}`)
  return { calls, seconds, standstill }
}

/** Resolves to the seconds until the other node has taken over. */
async function evictedBy(node: NodeProcess, dead: string): Promise<number> {
  const begin = performance.now()
  await node.call('evict', { node: dead })
  return (performance.now() - begin) / SECOND
}
