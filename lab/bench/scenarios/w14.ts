import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import { type Arrivals, LoadClient } from '../rig/load-client.ts'
import type { NodeProcess, Published } from '../rig/node-process.ts'
import { atMost } from './goal.ts'
import { type Scenario, thorough } from './scenario.ts'

/** Users who stay connected and are pushed to. */
const STAYING = 1_000
const RATE = 500
const P99_LIMIT = 250
/** ms of pushing before the node is killed. */
const CALM = 2_000
/** In seconds. Pushing ends earlier, once everyone is connected. */
const LONGEST = 120
/** Seconds until a client that was refused tries again. */
const RETRY = 0.5
const HEARTBEAT = 3_000
const NS_PER_MS = 1e6
const NS = 1e9

export const w14: Scenario = {
  id: 'W14',
  title: 'A reconnect storm, with pushes',
  method:
    `A node with ${thorough.connections} clients is killed, and they come to two others at once, and again every ${RETRY} s ` +
    `if they are refused. Meanwhile ${RATE} pushes a second go to ${STAYING} users who are connected there. Measured: how ` +
    'many clients are let in a second, how long it takes until half of them are, and how late pushes are before and meanwhile.',
  systems: ['flotilla'],
  figures: [
    { key: 'perSecond', label: 'connects', unit: '1/s' },
    { key: 'median', label: 'median until let in', unit: 'ms' },
    { key: 'refused', label: 'refusals', unit: 'each' },
    { key: 'calmP99', label: "pushes' p99 before", unit: 'ms' },
    { key: 'p99', label: 'meanwhile', unit: 'ms' },
  ],
  chart: { title: "Pushes' p99 meanwhile", unit: 'ms', better: 'less', bars: [{ key: 'p99' }] },
  goals: [atMost(P99_LIMIT, 'ms', "pushes' p99 meanwhile", 'p99')],
  async run(system, { connections }, { note, ...flags }) {
    const stage = await system.start({ ...flags, heartbeat: HEARTBEAT })
    try {
      const { publisher, node: doomed, addNode } = stage
      if (publisher === undefined || doomed === undefined || addNode === undefined)
        throw new LabError(`${system.label} has no nodes that could be killed`)
      // When it is dead, one of the survivors gets its core.
      const survivors = [await addNode('node that stays', 'subject'), await addNode('other node', 'rest')]
      const { greeting } = system
      const ports = survivors.flatMap((node) => node.ports)
      const staying = await LoadClient.open({ ports, count: STAYING, greeting })
      const crowd = { count: connections, greeting, first: STAYING }
      const before = await LoadClient.open({ ...crowd, ports: doomed.ports })
      const calm = await pushed(staying, publisher, () => sleep(CALM))
      let storm: LoadClient | undefined
      const busy = await pushed(staying, publisher, async () => {
        await doomed.child.stop()
        await before.close()
        storm = await LoadClient.open({ ...crowd, ports, atOnce: connections, retry: RETRY })
      })
      if (storm === undefined) throw new LabError('no client reconnected')
      const { ready, refused, opening, entrance } = storm.fleet
      note(`${ready} in ${opening / NS} s, ${refused} refusals; pushes: ${JSON.stringify(busy.latency)}`)
      await storm.close()
      await staying.close()
      return {
        perSecond: ready / (opening / NS),
        median: entrance.p50 / NS_PER_MS,
        refused: refused / ready,
        calmP99: calm.latency.p99 / NS_PER_MS,
        p99: busy.latency.p99 / NS_PER_MS,
      }
    } finally {
      await stage.stop()
    }
  },
}

/** Pushes while the work runs. Every push must arrive. */
async function pushed(client: LoadClient, publisher: NodeProcess, work: () => Promise<unknown>): Promise<Arrivals> {
  const { closed: closedBefore } = await client.begin()
  const publishing: Promise<Published> = publisher.call('publish', { rate: RATE, seconds: LONGEST, users: STAYING })
  await work()
  await publisher.call('stopPushing', {})
  const { sent, rejected, unsettled } = await publishing
  const arrivals = await client.settle(sent)
  const closed = arrivals.closed - closedBefore
  if (arrivals.messages === sent && rejected + unsettled + closed === 0) return arrivals
  throw new LabError(
    `${arrivals.messages} of ${sent} pushes arrived, ${rejected} were rejected and ${unsettled} not settled; ${closed} of ` +
      'the connections that should stay have closed',
  )
}
