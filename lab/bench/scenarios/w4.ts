import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../../rig/memory.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import type { Stage } from '../systems/system.ts'
import { openCrowd, requireReachable, startAlone } from './crowd.ts'
import { times } from './goal.ts'
import { type Scenario, thorough } from './scenario.ts'

const REACHED = 1_000
const SETTLE = 2_000
const KIB = 1024

export const w4: Scenario = {
  id: 'W4',
  title: 'Memory of an idle connection',
  method:
    `${thorough.connections} users connect. The node's resident memory is measured before and after, each time after ` +
    'collecting garbage. The difference is divided by the number of users.',
  systems: ['flotilla', 'ws', 'nchan-memory', 'nchan', 'nchan-stored', 'socketio-redis', 'socketio-streams'],
  figures: [{ key: 'kib', label: 'a connection', unit: 'KiB' }],
  chart: { title: 'A connection', unit: 'KiB', better: 'less', bars: [{ key: 'kib' }] },
  goals: [times(1.3, 'beside bare ws', 'kib', ['ws'], 'less')],
  async run(system, { connections }, { note, subjectFlags = [] }) {
    const { stage, node } = await startAlone(system, ['--expose-gc', ...subjectFlags])
    try {
      const before = await retained(stage, node)
      const crowd = await openCrowd(system, stage, connections)
      await sleep(SETTLE)
      const after = await retained(stage, node)
      note(`${system.label}: ${before / KIB / KIB} MiB before, ${after / KIB / KIB} MiB after`)
      await requireReachable(node, crowd, REACHED)
      await crowd.close()
      return { kib: (after - before) / connections / KIB }
    } finally {
      await stage.stop()
    }
  },
}

async function retained({ subject }: Stage, node: NodeProcess): Promise<number> {
  await node.call('collectGarbage', {})
  return residentBytes(subject.pid)
}
