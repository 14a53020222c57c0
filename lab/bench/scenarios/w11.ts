import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import type { Greeting } from '../rig/load-client.ts'
import { LoadClient } from '../rig/load-client.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import type { Stage, System } from '../systems/system.ts'
import { CallMeter, type Calls } from './call-meter.ts'
import type { Goal } from './goal.ts'
import { type Figure, type Figures, type RunOptions, type Scenario, thorough } from './scenario.ts'

const SIZES = thorough.churnSizes
const GROUP = 'g'
/** The members on each node at any time. */
const MEMBERS = 10
/** ms between two changes. A node remembers for a shorter time who has left. */
const TURN = 1_900
/** ms between two pushes. They are far enough apart that pushes do not gather, so each pays for itself. */
const PAUSE = 40
const HEARTBEAT = 60_000
const MS_PER_SECOND = 1_000

export const w11: Scenario = {
  id: 'W11',
  title: 'Pushes to a group while members come and go',
  method:
    `A group has ${MEMBERS} members on each node. Every ${TURN / 1000} s, one member of each node closes and another ` +
    `comes. One more node pushes to the group, ${PAUSE} ms apart. Measured for each push: the calls to the store, and the ` +
    'CPU time of nodes and store, both without the cost of coming and going itself.',
  systems: ['flotilla'],
  figures: SIZES.flatMap(figuresAt),
  chart: {
    title: 'Calls to the store by its clients',
    unit: 'calls a push',
    better: 'less',
    bars: SIZES.map((size) => ({ key: `calls${size}`, label: nodes(size) })),
  },
  goals: SIZES.map(beside),
  async run(system, { seconds, churnSizes }, options) {
    const figures: Record<string, number> = {}
    for (const size of churnSizes) Object.assign(figures, await measureAt(size, system, seconds, options))
    return figures
  },
}

function figuresAt(size: number): Figure[] {
  const at = nodes(size)
  return [
    { key: `calm${size}`, label: 'calls, calm', unit: 'a push', at },
    { key: `calls${size}`, label: 'calls', unit: 'a push', at },
    { key: `calmInScripts${size}`, label: 'in scripts, calm', unit: 'a push', at },
    { key: `inScripts${size}`, label: 'in scripts', unit: 'a push', at },
    { key: `calmCpu${size}`, label: 'CPU, calm', unit: 'ms', at },
    { key: `cpu${size}`, label: 'CPU', unit: 'ms', at },
  ]
}

function beside(size: number): Goal {
  return {
    label: `calls at ${nodes(size)}, beside calm`,
    target: 2,
    unit: '×',
    better: 'less',
    measure(find) {
      const [churning, calm] = [find('flotilla', `calls${size}`), find('flotilla', `calm${size}`)]
      return churning === undefined || calm === undefined ? undefined : churning / calm
    },
  }
}

function nodes(size: number): string {
  return `${size} nodes`
}

async function measureAt(size: number, system: System, seconds: number, options: RunOptions): Promise<Figures> {
  const { note, ...flags } = options
  const stage = await system.start({ ...flags, servers: size, heartbeat: HEARTBEAT, countsCalls: true })
  try {
    const room = await Room.open(size, stage, system.greeting)
    const turns = Math.ceil(Math.max(2, seconds))
    const calm = await room.measure(() => room.push(turns))
    const idle = await room.measure(() => room.churn(turns))
    const busy = await room.measure(async () => (await Promise.all([room.push(turns), room.churn(turns)]))[0])
    await room.close()
    const before = (key: keyof Work): number => calm[key] / calm.result
    const each = (key: keyof Work): number => Math.max(0, busy[key] - idle[key]) / busy.result
    const figures = {
      [`calm${size}`]: before('byClients'),
      [`calls${size}`]: each('byClients'),
      [`calmInScripts${size}`]: before('inScripts'),
      [`inScripts${size}`]: each('inScripts'),
      [`calmCpu${size}`]: before('cpu') * MS_PER_SECOND,
      [`cpu${size}`]: each('cpu') * MS_PER_SECOND,
    }
    note(`${nodes(size)}: ${JSON.stringify({ calm, idle, busy })}`)
    return figures
  } finally {
    await stage.stop()
  }
}

interface Work extends Calls {
  /** In seconds. */
  readonly cpu: number
}

/** The group. Each node has the same number of places, one more than it has members. */
class Room {
  readonly #size: number
  readonly #stage: Stage
  readonly #client: LoadClient
  readonly #meter: CallMeter
  readonly #publisher: NodeProcess
  /** The free place of each node. */
  #empty = MEMBERS

  private constructor(size: number, stage: Stage, client: LoadClient, meter: CallMeter, publisher: NodeProcess) {
    this.#size = size
    this.#stage = stage
    this.#client = client
    this.#meter = meter
    this.#publisher = publisher
  }

  static async open(size: number, stage: Stage, greeting: Greeting): Promise<Room> {
    const { node, publisher, ports } = stage
    if (node === undefined || publisher === undefined) throw new LabError('there is no node that takes requests')
    const path = `${greeting.path}&group=${GROUP}`
    const client = await LoadClient.open({ ports, count: size * (MEMBERS + 1), greeting: { ...greeting, path } })
    await client.leave(size * MEMBERS, size)
    const room = new Room(size, stage, client, CallMeter.of(stage, [node, publisher]), publisher)
    // Waits until no node remembers the members who have left.
    await sleep(2 * TURN)
    await room.push(1)
    return room
  }

  /** Pushes for this many turns and returns how often. Members who are there all the time must receive all of it. */
  async push(turns: number): Promise<number> {
    await this.#client.begin()
    const plan = { count: Number.MAX_SAFE_INTEGER, pause: PAUSE, group: GROUP }
    const pushing = this.#publisher.call('pushAlone', plan)
    await sleep(turns * TURN)
    await this.#publisher.call('stopPushing', {})
    const { sent } = await pushing
    const least = sent * this.#size * Math.max(1, MEMBERS - turns)
    const { messages, closed } = await this.#client.settle(least)
    if (messages >= least && closed === 0) return sent
    throw new LabError(
      `only ${messages} of at least ${least} messages arrived; ${closed} connections have closed by themselves`,
    )
  }

  /** Repeats a change: on each node one member joins and another leaves. */
  async churn(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      const begin = performance.now()
      const next = (this.#empty + 1) % (MEMBERS + 1)
      await this.#client.enter(this.#empty * this.#size, this.#size)
      await this.#client.leave(next * this.#size, this.#size)
      this.#empty = next
      await sleep(TURN - (performance.now() - begin))
    }
  }

  async measure<Result>(work: () => Promise<Result>): Promise<Work & { readonly result: Result }> {
    const { subject, publisher, store } = this.#stage
    const processes = [subject, publisher?.child, store?.child].filter((child) => child !== undefined)
    for (const { cpu } of processes) cpu.begin()
    const calls = await this.#meter.during(work)
    return { ...calls, cpu: processes.reduce((sum, { cpu }) => sum + cpu.seconds, 0) }
  }

  async close(): Promise<void> {
    this.#meter.close()
    await this.#client.close()
  }
}
