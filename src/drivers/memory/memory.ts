import cluster from 'node:cluster'
import { FlotillaError } from '../../errors.ts'
import { checkNames } from '../../lib/checked-names.ts'
import { combined } from '../../lib/combined.ts'
import type { Driver, DriverSettings } from '../driver.ts'
import type { PushIds } from '../push-ids.ts'
import type { Queue } from '../queue.ts'
import type { State } from '../state.ts'
import { MemoryBroadcasts } from './broadcasts.ts'
import { MemoryCursors } from './cursors.ts'
import { MemoryHandle } from './handle.ts'
import { MemoryInboxes } from './inboxes.ts'
import { MemoryLog } from './log.ts'
import { MemoryStore } from './memory-store.ts'
import { MemoryNodes } from './nodes.ts'
import { MemoryParking } from './parking.ts'
import { MemoryPushIds } from './push-ids.ts'
import { MemoryRoutes } from './routes.ts'

export interface MemoryOptions {
  /**
   * Whether each of several workers of `node:cluster` or pm2 may be a cluster of its own, in which case a push made in
   * one worker never reaches the clients of another. Without this option, a server or emitter that is made in such a
   * worker throws.
   */
  isolated?: boolean | undefined
}

/**
 * State and Queue in the memory of this process: nothing to install, and nothing outlives the process. Servers and
 * emitters that share the result of one `memory()` call form a cluster; two calls never see each other. It is also the
 * shortest example of what a driver has to do.
 */
export function memory(options: MemoryOptions = {}): Driver {
  checkNames('memory', options, ['isolated'])
  const { isolated = false } = options
  const stores = new Map<string, MemoryStore>()
  const storeOf = (prefix: string): MemoryStore => {
    if (!isolated && isOneOfSeveral()) throw notShared()
    const store = stores.get(prefix) ?? new MemoryStore()
    stores.set(prefix, store)
    return store
  }
  return {
    state: (settings) => openState(storeOf(settings.prefix), settings),
    queue: (settings) => openQueue(storeOf(settings.prefix), settings),
  }
}

/** A call takes effect at once; it returns a promise only because the contract asks for one. */
function openState(store: MemoryStore, settings: DriverSettings): State {
  const handle = new MemoryHandle(store, settings)
  const [log, cursors] = [new MemoryLog(handle), new MemoryCursors(handle)]
  return combined(new MemoryNodes(handle), new MemoryRoutes(handle), new MemoryParking(handle), log, cursors, {
    ping: async () => handle.assertOpen(),
    close: () => handle.close(),
  })
}

function openQueue(store: MemoryStore, settings: DriverSettings): Queue & PushIds {
  const handle = new MemoryHandle(store, settings)
  return combined(
    new MemoryInboxes(handle),
    new MemoryBroadcasts(handle),
    new MemoryPushIds(handle),
    new MemoryLog(handle),
    {
      flushAcks: async () => {},
      close: () => handle.close(),
    },
  )
}

/**
 * A worker cannot know whether it is the only one. pm2 numbers its instances, even if it starts them without
 * `node:cluster`. Test runners fork their workers in other ways, and set neither.
 */
function isOneOfSeveral(): boolean {
  return cluster.isWorker || /^[1-9]\d*$/.test(process.env['NODE_APP_INSTANCE'] ?? '')
}

function notShared(): FlotillaError {
  return new FlotillaError(
    'FLT_NOT_SHARED',
    'this process is one of several workers (node:cluster or pm2), which do not share memory, so a push would miss the clients of all other workers. Use redis({ url }), or memory({ isolated: true }) if each worker should be a cluster of its own',
  )
}
