import type { LiveNode, NodeList } from '../drivers/nodes.ts'
import { type ConnectionId, type NodeId, type ProcessId, processOfConnection, processOfNode } from '../envelope/ids.ts'

const NOBODY: NodeList = { version: 0, live: [], gone: [] }

/** The node list as the store last answered it. Finds the node that a connection's process runs as now. */
export class Roster {
  readonly #list: NodeList
  readonly #nodeOfProcess: ReadonlyMap<ProcessId, NodeId>
  readonly #gone: ReadonlySet<NodeId>

  constructor(list: NodeList = NOBODY) {
    this.#list = list
    this.#nodeOfProcess = new Map(list.live.map(({ node }) => [processOfNode(node), node]))
    this.#gone = new Set(list.gone.map(({ node }) => node))
  }

  /** The answer of the store. */
  get list(): NodeList {
    return this.#list
  }

  get live(): readonly LiveNode[] {
    return this.#list.live
  }

  get gone(): NodeList['gone'] {
    return this.#list.gone
  }

  isLive(node: NodeId): boolean {
    return this.#list.live.some((live) => live.node === node)
  }

  isGone(node: NodeId): boolean {
    return this.#gone.has(node)
  }

  nodeOf(connection: ConnectionId): NodeId | undefined {
    // Invariant R15: a connection's id outlives the incarnation that it was given under.
    const process = processOfConnection(connection)
    return process === undefined ? undefined : this.#nodeOfProcess.get(process)
  }
}
