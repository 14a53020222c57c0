import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { TcpProxy } from '../../../test/support/tcp-proxy.ts'
import { Random } from '../../rig/random.ts'
import { Clock } from '../clock.ts'
import type { History } from '../history.ts'
import type { StoreKind } from '../store-kind.ts'
import { InboxWatch } from './inbox-watch.ts'
import { Node } from './node.ts'
import { type Clocks, startStore, type Store } from './stores.ts'

export interface StagePlan {
  readonly seed: number
  readonly nodes: number
  readonly store: StoreKind
  readonly clocks: Clocks
  /** In ms, as for the nodes' option. */
  readonly heartbeat: number
  readonly deadAfter: number
}

/**
 * The store and the nodes. If the store is a single server, each node reaches it over a line of its own, and so does
 * the emitter. Sentinels and clusters announce their servers' addresses, so no line can be put in between.
 */
export class Stage {
  readonly clock: Clock
  readonly nodes: readonly Node[]
  readonly inboxes: InboxWatch
  readonly #store: Store
  readonly #lines: readonly TcpProxy[]

  private constructor(
    clock: Clock,
    store: Store,
    lines: readonly TcpProxy[],
    nodes: readonly Node[],
    inboxes: InboxWatch,
  ) {
    this.clock = clock
    this.nodes = nodes
    this.inboxes = inboxes
    this.#store = store
    this.#lines = lines
  }

  static async build(plan: StagePlan, history: History, folder: string): Promise<Stage> {
    await mkdir(folder, { recursive: true })
    const clock = new Clock()
    const store = await startStore(plan.store, plan.clocks)
    const lines = await linesTo(store, plan)
    const { heartbeat, deadAfter } = plan
    const nodes: Node[] = []
    for (let slot = 0; slot < plan.nodes; slot++) {
      const line = lines[slot]
      const redis = line === undefined ? store.url : urlOf(line)
      const logFile = join(folder, `n${slot}.log`)
      nodes.push(new Node({ slot, redis, heartbeat, deadAfter, logFile }, history, clock))
    }
    const stage = new Stage(clock, store, lines, nodes, new InboxWatch(store, nodes, history, clock))
    try {
      await Promise.all(nodes.map((node) => node.start()))
      return stage
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  node(slot: number): Node {
    return this.nodes[slot]!
  }

  /** The line of a node to the store. The slot after the last node is the emitter's line. */
  line(slot: number): TcpProxy {
    const line = this.#lines[slot]
    if (line === undefined) throw new Error('only a store that is a single server has lines')
    return line
  }

  /** The store as the kind that the caller expects. A fault declares which kinds it supports. */
  storeAs<Kind extends Store>(kind: { readonly prototype: Kind }): Kind {
    const store: unknown = this.#store
    if (!Object.prototype.isPrototypeOf.call(kind.prototype, store as object))
      throw new Error('the store is of another kind')
    return store as Kind
  }

  get emitterUrl(): string {
    const line = this.#lines.at(-1)
    return line === undefined ? this.#store.url : urlOf(line)
  }

  async close(): Promise<void> {
    this.inboxes.stop()
    await Promise.all(this.nodes.map((node) => node.end()))
    await Promise.all(this.#lines.map((line) => line.stop()))
    await this.#store.stop()
  }
}

async function linesTo({ port }: Store, { seed, nodes }: StagePlan): Promise<TcpProxy[]> {
  if (port === undefined) return []
  const random = new Random(seed).fork('lines')
  return Promise.all(Array.from({ length: nodes + 1 }, () => TcpProxy.start(port, () => random.next())))
}

function urlOf(line: TcpProxy): string {
  return `redis://127.0.0.1:${line.port}`
}
