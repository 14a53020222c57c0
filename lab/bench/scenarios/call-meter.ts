import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../../rig/lab-error.ts'
import type { NodeProcess } from '../rig/node-process.ts'
import { StoreMeter } from '../rig/store-meter.ts'
import type { Stage } from '../systems/system.ts'

/** The calls that a store received. */
export interface Calls {
  readonly byClients: number
  /** Commands that scripts ran. */
  readonly inScripts: number
}

interface Reading extends Calls {
  /** How many scripts were called, as the store counts them and as its clients do. */
  readonly ranScripts: number
  readonly calledScripts: number
}

const POLL = 100
/** After this many ms without a call, no work is left to be done. */
const QUIET = 700
const PATIENCE = 300_000
const SCRIPT = /^(?:eval|fcall)/
/** How many scripts may be in progress while both sides are read. */
const TOLERANCE = 2

/** Counts the calls that nodes make to their store, and the commands that its scripts run for them. */
export class CallMeter {
  readonly #store: StoreMeter
  readonly #nodes: readonly NodeProcess[]

  private constructor(store: StoreMeter, nodes: readonly NodeProcess[]) {
    this.#store = store
    this.#nodes = nodes
  }

  /** `nodes` must be all processes that use the store meanwhile. They count from their start on. */
  static of({ store }: Stage, nodes: readonly NodeProcess[]): CallMeter {
    if (store === undefined) throw new LabError('this system has no store whose calls could be counted')
    return new CallMeter(new StoreMeter(store), nodes)
  }

  /** Counts all calls until the store is quiet again, so that work which is done late counts, too. */
  async during<Result>(work: () => Promise<Result>): Promise<Calls & { readonly result: Result }> {
    const before = await this.#readWhenQuiet()
    const result = await work()
    const after = await this.#readWhenQuiet()
    const grown = (key: keyof Reading): number => after[key] - before[key]
    const [ran, called] = [grown('ranScripts'), grown('calledScripts')]
    // If anyone uses the store without being counted, the figures are worthless.
    if (Math.abs(ran - called) > TOLERANCE) {
      throw new LabError(`the store ran ${ran} scripts, but its clients called ${called}`)
    }
    return { byClients: grown('byClients'), inScripts: grown('inScripts'), result }
  }

  close(): void {
    this.#store.close()
  }

  async #readWhenQuiet(): Promise<Reading> {
    const deadline = performance.now() + PATIENCE
    let last = await this.#read()
    for (let since = performance.now(); performance.now() - since < QUIET;) {
      if (performance.now() > deadline) throw new LabError(`the store was still busy after ${PATIENCE / 1000} s`)
      await sleep(POLL)
      // A node whose event loop stands still answers late, so it is not mistaken for an idle one.
      const next = await this.#read()
      const isSame = next.byClients === last.byClients && next.inScripts === last.inScripts
      if (!isSame) since = performance.now()
      last = next
    }
    return last
  }

  async #read(): Promise<Reading> {
    const reports = await Promise.all(this.#nodes.map((node) => node.call('storeCalls', {})))
    const { calls } = await this.#store.read()
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
    // The meter's own calls do not count as the nodes'.
    const all = sum([...calls].map(([name, count]) => (name === 'info' ? 0 : count)))
    const byClients = sum(reports.map(({ count }) => count))
    return {
      byClients,
      inScripts: all - byClients,
      ranScripts: sum([...calls].map(([name, count]) => (SCRIPT.test(name) ? count : 0))),
      calledScripts: sum(reports.map(({ scriptCount }) => scriptCount)),
    }
  }
}
