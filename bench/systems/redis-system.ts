import type { Greeting } from '../rig/load-client.ts'
import { NodeProcess } from '../rig/node-process.ts'
import { Store } from '../rig/store.ts'
import { Troupe } from '../rig/troupe.ts'
import type { System } from './system.ts'

interface RedisSystem {
  readonly id: string
  readonly kind?: string
  readonly needsPackages: boolean
  readonly label: string
  readonly greeting: Greeting
  /** The file in nodes/systems, and what it takes besides the store's URL. */
  readonly script: string
  readonly settings: object
}

/** A system whose nodes are Node processes that meet in Redis. */
export function redisSystem({ script, settings, ...system }: RedisSystem): System {
  const { label } = system
  return {
    kind: system.id,
    ...system,
    async start({ hasPublisher = true, subjectFlags, publisherFlags }) {
      const troupe = new Troupe()
      const store = await troupe.add(Store.start())
      const plan = { system: script, settings: { ...settings, redis: store.url } }
      const startNode = (role: string, core: 'subject' | 'rest', flags?: readonly string[]): Promise<NodeProcess> =>
        troupe.add(NodeProcess.start({ ...plan, name: `${label}'s ${role}`, core, ...(flags && { flags }) }))
      const node = await startNode('node', 'subject', subjectFlags)
      const publisher = hasPublisher ? await startNode('publisher', 'rest', publisherFlags) : undefined
      return {
        subject: node.child,
        ports: node.ports,
        node,
        store,
        ...(publisher && { publisher }),
        stop: () => troupe.stop(),
      }
    },
  }
}
