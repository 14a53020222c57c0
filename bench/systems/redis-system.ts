import type { Greeting } from '../rig/load-client.ts'
import { NodeProcess } from '../rig/node-process.ts'
import { Store } from '../rig/store.ts'
import { Troupe } from '../rig/troupe.ts'
import type { Role, System } from './system.ts'

interface RedisSystem {
  readonly id: string
  readonly kind?: string
  readonly role: Role
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
    async start({ hasPublisher = true, servers = 1, heartbeat, subjectFlags, publisherFlags }) {
      const troupe = new Troupe()
      const store = await troupe.add(Store.start())
      const common = { ...settings, redis: store.url, heartbeat }
      const node = await troupe.add(
        NodeProcess.start({
          name: `${label}'s node`,
          core: 'subject',
          system: script,
          settings: { ...common, role: 'node', servers },
          flags: subjectFlags,
        }),
      )
      const startPublisher = (): Promise<NodeProcess> =>
        NodeProcess.start({
          name: `${label}'s publisher`,
          core: 'rest',
          system: script,
          settings: { ...common, role: 'publisher' },
          flags: publisherFlags,
        })
      const publisher = hasPublisher ? await troupe.add(startPublisher()) : undefined
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
