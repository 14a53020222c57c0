import { freePort } from '../../../test/support/free-port.ts'
import { Store } from '../../rig/store.ts'
import { NginxServer } from '../rig/nginx-server.ts'
import { NodeProcess } from '../rig/node-process.ts'
import { Troupe } from '../rig/troupe.ts'
import type { Layout, Stage, System } from './system.ts'

/** `memory`: one node alone. The others use a Redis: messages only pass through it, or are stored in it. */
type Storage = 'memory' | 'passing' | 'stored'

const names = {
  memory: { id: 'nchan-memory', label: 'Nchan, one node, in memory' },
  passing: { id: 'nchan', label: 'Nchan' },
  stored: { id: 'nchan-stored', label: 'Nchan, stored' },
} as const

/**
 * nginx with Nchan: clients at one node, the publisher at the other.
 *
 * @see https://nchan.io
 */
export function nchan(storage: Storage): System {
  const { id, label } = names[storage]
  return {
    id,
    kind: id,
    role: storage === 'memory' ? 'control' : 'peer',
    needsPackages: false,
    label,
    greeting: { path: '/sub?uid=u%d' },
    start: (layout) => start(storage, label, layout),
  }
}

async function start(
  storage: Storage,
  label: string,
  { publisherFlags = [], subjectFlags = [], hasPublisher = true }: Layout,
): Promise<Stage> {
  const troupe = new Troupe()
  const store = storage === 'memory' ? undefined : await troupe.add(Store.start())
  const common = store && { redis: { url: store.url, isStoring: storage === 'stored' } }
  const near = await freePort()
  const subject = await troupe.add(
    NginxServer.start({ ...common, name: `${label}'s node`, core: 'subject', port: near }),
  )
  const hasOther = hasPublisher && store !== undefined
  const far = hasOther ? await freePort() : near
  if (hasOther)
    await troupe.add(NginxServer.start({ ...common, name: `${label}'s other node`, core: 'rest', port: far }))
  const publisher = await troupe.add(
    NodeProcess.start({
      name: `${label}'s publisher`,
      core: 'rest',
      system: 'nchan',
      settings: { port: far },
      flags: hasPublisher ? publisherFlags : subjectFlags,
    }),
  )
  return {
    subject: subject.child,
    ports: [near],
    // Without a publisher, this process asks the node itself to push.
    ...(hasPublisher ? { publisher } : { node: publisher }),
    ...(store && { store }),
    stop: () => troupe.stop(),
  }
}
