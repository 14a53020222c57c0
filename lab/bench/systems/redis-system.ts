import { Store } from '../../rig/store.ts'
import type { Greeting } from '../rig/load-client.ts'
import { type NodePlan, NodeProcess } from '../rig/node-process.ts'
import { Troupe } from '../rig/troupe.ts'
import type { Role, System } from './system.ts'

interface RedisSystem {
  readonly id: string
  readonly kind?: string
  readonly role: Role
  readonly needsPackages: boolean
  readonly label: string
  readonly greeting: Greeting
  /** The file in nodes/systems, and its settings in addition to the store's URL. */
  readonly script: string
  readonly settings: object
}

/** A system whose nodes are Node processes, connected through Redis. */
export function redisSystem({ script, settings, ...system }: RedisSystem): System {
  const { label } = system
  return {
    kind: system.id,
    ...system,
    async start({ hasPublisher = true, servers = 1, heartbeat, countsCalls, subjectFlags, publisherFlags }) {
      const troupe = new Troupe()
      const store = await troupe.add(Store.start())
      const common = { ...settings, redis: store.url, heartbeat, countsCalls }
      const startNode = (plan: Pick<NodePlan, 'name' | 'core' | 'settings' | 'flags'>): Promise<NodeProcess> =>
        troupe.add(
          NodeProcess.start({
            ...plan,
            name: `${label}'s ${plan.name}`,
            system: script,
            settings: { ...common, ...plan.settings },
          }),
        )
      const node = await startNode({
        name: 'node',
        core: 'subject',
        settings: { role: 'node', servers },
        flags: subjectFlags,
      })
      const publisher = hasPublisher
        ? await startNode({ name: 'publisher', core: 'rest', settings: { role: 'publisher' }, flags: publisherFlags })
        : undefined
      return {
        subject: node.child,
        ports: node.ports,
        node,
        store,
        ...(publisher && { publisher }),
        addNode: (name, core) => startNode({ name, core, settings: { role: 'node' } }),
        stop: () => troupe.stop(),
      }
    },
  }
}
