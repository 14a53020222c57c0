import { openCrowd, requireReachable, startAlone } from './crowd.ts'
import { times } from './goal.ts'
import { type Scenario, thorough } from './scenario.ts'

const REACHED = 1_000
const NS = 1e9

export const w5: Scenario = {
  id: 'W5',
  title: 'Connects',
  method: `${thorough.connections} users connect, 256 at a time; Flotilla stores each of them before it answers.`,
  systems: ['flotilla', 'ws', 'nchan-memory', 'nchan', 'nchan-stored', 'socketio-redis', 'socketio-streams'],
  figures: [{ key: 'perSecond', label: 'connects', unit: '1/s' }],
  chart: { title: 'Connects', unit: '1/s', better: 'more', bars: [{ key: 'perSecond' }] },
  goals: [times(0.75, 'beside bare ws', 'perSecond', ['ws'])],
  async run(system, { connections }, { note, subjectFlags }) {
    const { stage, node } = await startAlone(system, subjectFlags)
    try {
      const crowd = await openCrowd(system, stage, connections)
      const { ready, opening } = crowd.fleet
      note(`${system.label}: ${ready} connections in ${opening / NS} s`)
      await requireReachable(node, crowd, REACHED)
      await crowd.close()
      return { perSecond: ready / (opening / NS) }
    } finally {
      await stage.stop()
    }
  },
}
