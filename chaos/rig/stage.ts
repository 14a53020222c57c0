import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/free-port.ts'
import { TcpProxy } from '../../test/support/tcp-proxy.ts'
import { Clock } from '../clock.ts'
import type { History } from '../history.ts'
import type { Settings } from '../options.ts'
import { Random } from '../random.ts'
import { Node } from './node.ts'
import { Store } from './store.ts'

/** The store, the nodes, and a line of its own from each of them to the store; one more line is the emitter's. */
export class Stage {
  readonly clock: Clock
  readonly store: Store
  readonly nodes: readonly Node[]
  readonly #lines: readonly TcpProxy[]

  private constructor(clock: Clock, store: Store, lines: readonly TcpProxy[], nodes: readonly Node[]) {
    this.clock = clock
    this.store = store
    this.#lines = lines
    this.nodes = nodes
  }

  static async build(settings: Settings, history: History, folder: string): Promise<Stage> {
    await mkdir(folder, { recursive: true })
    const clock = new Clock()
    const random = new Random(settings.seed).fork('lines')
    const store = await Store.start()
    const lines: TcpProxy[] = []
    for (let slot = 0; slot <= settings.nodes; slot++) lines.push(await TcpProxy.start(store.port, () => random.next()))
    const nodes: Node[] = []
    for (let slot = 0; slot < settings.nodes; slot++) {
      const plan = {
        slot,
        port: await freePort(),
        redis: urlOf(lines[slot]!),
        heartbeat: settings.heartbeat,
        deadAfter: settings.deadAfter,
        logFile: join(folder, `n${slot}.log`),
      }
      nodes.push(new Node(plan, history, clock))
    }
    const stage = new Stage(clock, store, lines, nodes)
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

  /** To the store: a node's, or, behind those, the emitter's. */
  line(slot: number): TcpProxy {
    return this.#lines[slot]!
  }

  get emitterUrl(): string {
    return urlOf(this.#lines.at(-1)!)
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()))
    await Promise.all(this.#lines.map((line) => line.stop()))
    await this.store.stop()
  }
}

function urlOf(line: TcpProxy): string {
  return `redis://127.0.0.1:${line.port}`
}
