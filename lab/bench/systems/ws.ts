import { NodeProcess } from '../rig/node-process.ts'
import { Troupe } from '../rig/troupe.ts'
import type { System } from './system.ts'

/** The control: one node, with the publisher connected to it directly. */
export const ws: System = {
  id: 'ws',
  kind: 'ws',
  role: 'control',
  needsPackages: false,
  label: 'bare ws, one node',
  greeting: { path: '/ws?uid=u%d' },
  async start({ hasPublisher = true, subjectFlags: flags = [], publisherFlags = [] }) {
    const troupe = new Troupe()
    const node = await troupe.add(
      NodeProcess.start({ name: "ws's node", core: 'subject', system: 'ws', settings: {}, flags }),
    )
    const stage = { subject: node.child, ports: node.ports, node, stop: () => troupe.stop() }
    if (!hasPublisher) return stage
    const settings = { node: node.ports[0] }
    const publisher = NodeProcess.start({
      name: "ws's publisher",
      core: 'rest',
      system: 'ws',
      settings,
      flags: publisherFlags,
    })
    return { ...stage, publisher: await troupe.add(publisher) }
  },
}
