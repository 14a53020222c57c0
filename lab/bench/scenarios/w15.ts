import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import { readJournal } from '../rig/journal.ts'
import { type Fleet, LoadClient } from '../rig/load-client.ts'
import type { Published } from '../rig/node-process.ts'
import type { System } from '../systems/system.ts'
import { type Attendance, Register } from './attendance.ts'
import { atMost } from './goal.ts'
import { type Figures, type RunOptions, type Scenario, thorough } from './scenario.ts'

const GROUP = 'g'
const NODES = 8
const MEMBERS = 200
/** How many members close each second, and how many come back. */
const CHANGES = 20
/** How many members are away at a time: each for half a second. */
const AWAY = 10
/** Pushes a second, the greatest rate first. The first rate that the machine sustains counts. */
const RATES = [500, 400, 300, 200, 100, 50]
const P99_LIMIT = 250
const BEHIND_LIMIT = 1_000
/** ms after which no more copies are expected. */
const SETTLE = 3_000
/** The share of the rate that must have been sent. */
const KEPT_UP = 0.98
const HEARTBEAT = 3_000
const MS = 1e6
const MS_PER_SECOND = 1_000

export const w15: Scenario = {
  id: 'W15',
  title: 'A room whose members come and go',
  method:
    `${MEMBERS} members of one group on ${NODES} nodes; ${CHANGES} a second close, and come back to the next node half a ` +
    `second later. One more node pushes to the group for ${thorough.roomSeconds} s: ${RATES[0]} times a second, or as often ` +
    'as the machine can sustain. Each copy is compared with the times at which its member was there.',
  systems: ['flotilla'],
  figures: [
    { key: 'rate', label: 'pushes sustained', unit: '1/s' },
    { key: 'p99', label: 'p99', unit: 'ms' },
    { key: 'longest', label: 'longest', unit: 'ms' },
    { key: 'owed', label: 'copies owed', unit: '' },
    { key: 'lost', label: 'lost', unit: '' },
    { key: 'repeated', label: 'repeated', unit: '' },
    { key: 'afterReturn', label: 'after return', unit: '' },
  ],
  chart: { title: 'Pushes sustained', unit: '1/s', better: 'more', bars: [{ key: 'rate' }] },
  goals: [
    {
      label: 'pushes sustained',
      target: RATES[0]!,
      unit: '1/s',
      better: 'more',
      measure: (find) => find('flotilla', 'rate'),
    },
    atMost(P99_LIMIT, 'ms', 'p99', 'p99'),
    atMost(BEHIND_LIMIT, 'ms', 'longest: no node is further behind', 'longest'),
    atMost(0, 'copies', 'lost', 'lost'),
  ],
  async run(system, { roomSeconds }, options) {
    let failure = ''
    for (const rate of RATES) {
      const { attendance, trouble } = await attendedAt(rate, roomSeconds, system, options)
      const figures = figuresOf(rate, attendance)
      options.note(`${rate}/s: ${JSON.stringify(figures)}${trouble}`)
      if (attendance.owedCount === 0) throw new LabError(`at ${rate} pushes/s no member was owed a copy`)
      if (attendance.lostCount > 0)
        throw new LabError(`at ${rate} pushes/s ${attendance.lostCount} of ${attendance.owedCount} copies were lost`)
      const { p99 = 0, longest = 0 } = figures
      if (trouble === '' && p99 <= P99_LIMIT && longest <= BEHIND_LIMIT) return figures
      failure = `at ${rate} pushes/s p99 was ${p99} ms, the longest ${longest} ms${trouble}`
    }
    throw new LabError(`${system.label} sustains none of the rates: ${failure}`)
  },
}

function figuresOf(rate: number, { latencies, ...counts }: Attendance): Figures {
  const quantile = (share: number): number => (latencies[Math.ceil(latencies.length * share) - 1] ?? 0) / MS
  return {
    rate,
    p99: quantile(0.99),
    longest: quantile(1),
    owed: counts.owedCount,
    lost: counts.lostCount,
    repeated: counts.repeatedCount,
    afterReturn: counts.afterReturnCount,
  }
}

interface Room {
  readonly attendance: Attendance
  /** Why the system did not sustain the rate, apart from latencies; usually empty. */
  readonly trouble: string
}

async function attendedAt(
  rate: number,
  seconds: number,
  system: System,
  { note: _note, ...flags }: RunOptions,
): Promise<Room> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-room-'))
  try {
    const journal = join(folder, 'journal')
    const { published, fleet } = await pushToRoom(rate, seconds, system, flags, journal)
    const register = new Register(published.notes ?? [])
    for (const row of await readJournal(journal)) register.note(row)
    return { attendance: register.close(), trouble: troubleIn(published, fleet, rate) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function troubleIn({ sent, seconds, rejected, unsettled, error }: Published, fleet: Fleet, rate: number): string {
  const troubles: string[] = []
  if (sent < KEPT_UP * rate * seconds) troubles.push(`only ${Math.round(sent / seconds)} were sent a second`)
  if (rejected > 0) troubles.push(`${rejected} were rejected (${error})`)
  if (unsettled > 0) troubles.push(`${unsettled} never settled`)
  if (fleet.closed > 0) troubles.push(`${fleet.closed} connections were closed by the nodes`)
  if (fleet.refused > 0) troubles.push(`${fleet.refused} were refused`)
  return troubles.map((trouble) => `; ${trouble}`).join('')
}

async function pushToRoom(
  rate: number,
  seconds: number,
  system: System,
  flags: Omit<RunOptions, 'note'>,
  journal: string,
): Promise<{ published: Published; fleet: Fleet }> {
  const stage = await system.start({ ...flags, servers: NODES, heartbeat: HEARTBEAT })
  let client: LoadClient | undefined
  try {
    const { ports, publisher } = stage
    if (publisher === undefined) throw new LabError(`${system.label} has no publisher`)
    const greeting = { ...system.greeting, path: `${system.greeting.path}&group=${GROUP}` }
    client = await LoadClient.open({ ports, count: MEMBERS, greeting, moves: true, journal })
    await publisher.call('publish', { rate: rate / 2, seconds: 1, group: GROUP })
    const pushing = publisher.call('publish', { rate, seconds, group: GROUP, isNoted: true })
    const [published] = await Promise.all([pushing, changeMembers(client, seconds)])
    await sleep(SETTLE)
    return { published, fleet: await client.settleAll() }
  } finally {
    await client?.close()
    await stage.stop()
  }
}

/** One member after another leaves, and comes back once `AWAY` others have left after it. In the end all are there. */
async function changeMembers(client: LoadClient, seconds: number): Promise<void> {
  const begin = performance.now()
  const count = seconds * CHANGES
  for (let change = 0; change < count + AWAY; change++) {
    if (change >= AWAY) await client.enter((change - AWAY) % MEMBERS, 1)
    if (change < count) await client.leave(change % MEMBERS, 1)
    const due = ((change + 1) / CHANGES) * MS_PER_SECOND
    await sleep(Math.max(0, begin + due - performance.now()))
  }
}
