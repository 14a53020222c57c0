import type { ConnectionInfo } from '../api.ts'
import type { NodeList, Nodes } from '../drivers/nodes.ts'
import type { Located, Lookup, Route, Routes } from '../drivers/routes.ts'
import type { Group, NodeId, Uid } from '../envelope/ids.ts'

/** ms for which the nodes are watched after the last query. */
const WATCH_FOR = 60_000

/** The queries that State answers about users, groups and nodes. */
export type StateQueries = Pick<Nodes & Routes, 'locate' | 'connections' | 'nodes' | 'members'>

/** The last sign of life of a node. */
interface Observation {
  readonly lastSeen: number
  /** Since when `lastSeen` has not changed, by our monotonic clock. */
  since: number
  isSilent: boolean
}

/**
 * State as an emitter sees it. Dead nodes are evicted by living ones, but after the last server has died nobody does
 * that, and an emitter has no lease and so may not evict. It therefore looks at the list of nodes at every heartbeat,
 * and leaves out each node that has shown no sign of life for as long as its lease lasts, by the emitter's own clock.
 * It changes nothing in the store.
 */
export class NodeObserver implements StateQueries {
  readonly #state: StateQueries
  readonly #heartbeat: number
  readonly #deadAfter: number
  readonly #observations = new Map<NodeId, Observation>()
  #silent: ReadonlySet<NodeId> = new Set()
  #timer: NodeJS.Timeout | undefined
  /** When the last list that arrived had been asked for. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #askedAt = 0
  #isClosed = false

  constructor(state: StateQueries, { heartbeat, deadAfter }: { heartbeat: number; deadAfter: number }) {
    this.#state = state
    this.#heartbeat = heartbeat
    this.#deadAfter = deadAfter
  }

  async nodes(): Promise<NodeList> {
    await this.#watch()
    const list = await this.#look()
    return { ...list, live: list.live.filter(({ node }) => !this.#silent.has(node)) }
  }

  async locate(lookup: Lookup): Promise<Located> {
    await this.#watch()
    const { uids, groups, connections } = await this.#state.locate(lookup)
    const seen = (route: Route): Route => ({ ...route, nodes: route.nodes.filter((node) => !this.#silent.has(node)) })
    return { uids: uids.map(seen), groups: groups.map(seen), connections: connections.map(seen) }
  }

  async connections(uid: Uid): Promise<ConnectionInfo[]> {
    await this.#watch()
    const found = await this.#state.connections(uid)
    return found.filter(({ node }) => !this.#silent.has(node as NodeId))
  }

  async members(group: Group, limit: number, cursor?: string): ReturnType<Routes['members']> {
    await this.#watch()
    return this.#state.members(group, limit, cursor, this.#silent)
  }

  /** Safe to call twice. */
  close(): void {
    this.#isClosed = true
    this.#stopWatching()
  }

  /** Called at each query: the nodes are watched from now on. If they were not, the list is read first. */
  async #watch(): Promise<void> {
    this.#askedAt = performance.now()
    if (this.#timer !== undefined) return
    await this.#look()
    if (!this.#isClosed) this.#timer ??= setInterval(() => this.#lookAgain(), this.#heartbeat).unref()
  }

  #stopWatching(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #lookAgain(): void {
    if (performance.now() - this.#askedAt > WATCH_FOR) return this.#stopWatching()
    // The next query will report that the store is away.
    this.#look().catch(() => {})
  }

  async #look(): Promise<NodeList> {
    const askedAt = performance.now()
    const list = await this.#state.nodes()
    this.#note(list, askedAt)
    return list
  }

  #note({ live }: NodeList, askedAt: number): void {
    const now = performance.now()
    // While the store was away or this process stood still, no node could show that it lives.
    const isGap = now - this.#lookedAt > this.#deadAfter / 2
    this.#lookedAt = askedAt
    const before = new Map(this.#observations)
    this.#observations.clear()
    for (const { node, lastSeen, deadAfter } of live) {
      const known = before.get(node)
      const isSame = known?.lastSeen === lastSeen
      const since = isSame && !isGap ? known.since : now
      // Invariant N13: an emitter has no lease and evicts nobody, so it only leaves out whoever is silent.
      const isSilent = isSame && (known.isSilent || askedAt - since > (deadAfter || this.#deadAfter))
      this.#observations.set(node, { lastSeen, since, isSilent })
    }
    this.#silent = new Set([...this.#observations].flatMap(([node, { isSilent }]) => (isSilent ? node : [])))
  }
}
