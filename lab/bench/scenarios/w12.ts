import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import { LoadClient } from '../rig/load-client.ts'
import type { System } from '../systems/system.ts'
import { CallMeter } from './call-meter.ts'
import { atMost, type Goal } from './goal.ts'
import { type Figure, type Figures, type RunOptions, type Scenario, thorough } from './scenario.ts'

const SIZES = thorough.departures
const GROUP = 'g'
const NODES = 2
/** Members who stay, so that the group exists all the time. */
const STAYING = 20
const RATE = 20
const SECONDS = 2
/** ms from the first push until the members leave. */
const DEPARTURE = 250
const HEARTBEAT = 60_000
const SETTLE = 500

export const w12: Scenario = {
  id: 'W12',
  title: 'Many members of a group close at once',
  method:
    `A group is on ${NODES} nodes; another node pushes to it, ${RATE} times a second for ${SECONDS} s. Meanwhile all its ` +
    `members but ${STAYING} close at once. Measured: the calls to the store for each member who closed, until all is ` +
    'done; how many messages are parked, which the members get when they come back; and the longest standstill of a node.',
  systems: ['flotilla'],
  figures: SIZES.flatMap(figuresAt),
  chart: {
    title: 'Calls to the store by its clients',
    unit: 'calls a member',
    better: 'less',
    bars: SIZES.map((size) => ({ key: `calls${size}`, label: members(size) })),
  },
  goals: SIZES.flatMap(goalsAt),
  async run(system, { departures }, options) {
    const figures: Record<string, number> = {}
    for (const size of departures) Object.assign(figures, await measureAt(size, system, options))
    return figures
  },
}

function figuresAt(size: number): Figure[] {
  const at = members(size)
  return [
    { key: `calls${size}`, label: 'calls', unit: 'a member', at },
    { key: `inScripts${size}`, label: 'in scripts', unit: 'a member', at },
    { key: `parked${size}`, label: 'parked', unit: 'messages', at },
    { key: `standstill${size}`, label: 'standstill', unit: 'ms', at },
    { key: `cpu${size}`, label: 'CPU', unit: 's', at },
  ]
}

function goalsAt(size: number): Goal[] {
  return [
    atMost(3, 'calls', `calls a member, ${members(size)}`, `calls${size}`),
    atMost(100, 'ms', `standstill, ${members(size)}`, `standstill${size}`),
  ]
}

function members(size: number): string {
  return `${size} members`
}

async function measureAt(size: number, system: System, { note, ...flags }: RunOptions): Promise<Figures> {
  const stage = await system.start({ ...flags, servers: NODES, heartbeat: HEARTBEAT, countsCalls: true })
  try {
    const { node, publisher, store, ports } = stage
    if (node === undefined || publisher === undefined) throw new LabError('there is no node that takes requests')
    const greeting = { ...system.greeting, path: `${system.greeting.path}&group=${GROUP}` }
    const client = await LoadClient.open({ ports, count: size + STAYING, greeting })
    const meter = CallMeter.of(stage, [node, publisher])
    await sleep(SETTLE)
    const processes = [node.child, publisher.child, store?.child].filter((child) => child !== undefined)
    for (const { cpu } of processes) cpu.begin()
    await Promise.all([node, publisher].map((each) => each.call('beginStandstill', {})))
    await client.begin()
    const { result, ...calls } = await meter.during(async () => {
      const publishing = publisher.call('publish', { rate: RATE, seconds: SECONDS, group: GROUP })
      await sleep(DEPARTURE)
      await client.leave(0, size)
      return publishing
    })
    const standstills = await Promise.all([node, publisher].map((each) => each.call('longestStandstill', {})))
    const cpu = processes.reduce((sum, child) => sum + child.cpu.seconds, 0)
    const { messages, closed } = await client.settle(result.sent * STAYING)
    if (messages < result.sent * STAYING || result.rejected + result.unsettled + closed > 0) {
      throw new LabError(
        `${result.sent} pushes to at least ${STAYING} members: ${messages} messages arrived, ${result.rejected} pushes ` +
          `were rejected, ${result.unsettled} not settled, ${closed} connections have closed`,
      )
    }
    const parked = await returning(client, size)
    note(`${members(size)}: ${JSON.stringify({ ...calls, parked, standstills, cpu })}`)
    meter.close()
    await client.close()
    return {
      [`calls${size}`]: calls.byClients / size,
      [`inScripts${size}`]: calls.inScripts / size,
      [`parked${size}`]: parked,
      [`standstill${size}`]: Math.max(...standstills),
      [`cpu${size}`]: cpu,
    }
  } finally {
    await stage.stop()
  }
}

/** How many messages had been parked for the members who come back. */
async function returning(client: LoadClient, size: number): Promise<number> {
  await client.begin()
  const { ready } = await client.enter(0, size)
  if (ready !== size + STAYING) throw new LabError(`only ${ready - STAYING} of ${size} members were let in again`)
  return (await client.settleAll()).messages
}
