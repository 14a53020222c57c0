import { checkNone } from '../../checked-names.ts'
import type { Driver } from '../driver.ts'
import { MemoryQueue } from './memory-queue.ts'
import { MemoryState } from './memory-state.ts'
import { MemoryStore } from './memory-store.ts'

/**
 * State and Queue in this process: nothing to install, nothing kept. Servers and emitters that share one `memory()`
 * form a cluster; two calls never see each other. It is also the shortest answer to what a driver has to do.
 */
export function memory(...none: []): Driver {
  checkNone('memory()', none)
  const stores = new Map<string, MemoryStore>()
  const storeOf = (prefix: string): MemoryStore => {
    const store = stores.get(prefix) ?? new MemoryStore()
    stores.set(prefix, store)
    return store
  }
  return {
    state: (settings) => new MemoryState(storeOf(settings.prefix), settings),
    queue: (settings) => new MemoryQueue(storeOf(settings.prefix), settings),
  }
}
