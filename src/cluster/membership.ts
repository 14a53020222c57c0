import type { ShutdownReason } from '../api.ts'
import type { Inboxes } from '../drivers/inboxes.ts'
import type { LiveNode, Nodes, Renewal } from '../drivers/nodes.ts'
import {
  type ConnectionId,
  incarnationAfter,
  newProcessId,
  nodeId,
  type NodeId,
  type ProcessId,
  processOfNode,
} from '../envelope/ids.ts'
import { isFlotillaError } from '../errors.ts'
import type { Events } from '../events.ts'
import { retry } from '../lib/retry.ts'
import type { Logger } from '../logger.ts'
import type { NodeBook } from '../push/locator.ts'
import { Roster } from '../push/roster.ts'

const RETRY_PAUSE = 100
const COUNT_PAUSE = 100
/** ms. The next heartbeat comes this long after the expiry of a lease, so that the lease counts as overdue by then. */
const EXPIRY_SLACK = 5

export interface MembershipSettings {
  readonly name: string
  readonly heartbeat: number
  readonly deadAfter: number
}

/** What `Membership` tells the rest of the node, and asks of it. */
export interface MembershipHooks {
  /** Called after the node has joined again, because it was evicted or the store lost it. `from` is its previous id. */
  rejoined(from: NodeId): void
  /** Called after each join: later writes bear the new id, and only broadcasts numbered above `offset` arrive. */
  joined(offset: number): void
  /** Called for a node that is gone and that no node is cleaning up after. */
  needsTakeover(node: NodeId, reason: ShutdownReason): void
  /** Called for a node whose lease has run out. */
  leaseExpired(node: NodeId): void
  /** Called after each heartbeat that the store has taken. */
  renewed(): void
  connectionCount(): number
  url(): string | undefined
}

/** This node's place in the cluster: its lease, its heartbeat, and the nodes it knows. */
export class Membership implements NodeBook {
  readonly process: ProcessId = newProcessId()
  readonly #state: Nodes
  readonly #queue: Inboxes
  readonly #settings: MembershipSettings
  readonly #hooks: () => MembershipHooks
  readonly #events: Events
  readonly #logger: Logger
  readonly #startedAt = Date.now()
  #incarnation = 0
  #node: NodeId
  #roster = new Roster()
  /** When the last renewal was sent, by our monotonic clock. The lease lasts at least `deadAfter` from then. */
  #renewedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #isRenewing = false
  #countTimer: NodeJS.Timeout | undefined
  #isCountStale = false
  #rejoining: Promise<void> | undefined
  #closed = false

  constructor(
    state: Nodes,
    queue: Inboxes,
    settings: MembershipSettings,
    hooks: () => MembershipHooks,
    { events, logger }: { events: Events; logger: Logger },
  ) {
    this.#state = state
    this.#queue = queue
    this.#settings = settings
    this.#hooks = hooks
    this.#events = events
    this.#logger = logger
    this.#node = nodeId(settings.name, this.process, 1)
  }

  get node(): NodeId {
    return this.#node
  }

  get live(): readonly LiveNode[] {
    return this.#roster.live
  }

  /** Whether an id is, or was, one of this process: then its connections are here. */
  isSelf(node: NodeId): boolean {
    return node === this.#node || processOfNode(node) === this.process
  }

  nodeOf(connection: ConnectionId): NodeId | undefined {
    return this.#roster.nodeOf(connection)
  }

  isLive(node: NodeId): boolean {
    return this.#roster.isLive(node)
  }

  standIn(node: NodeId): NodeId | undefined {
    if (node === this.#node || this.isSelf(node)) return this.#node
    return this.#roster.isGone(node) ? undefined : node
  }

  /** Joins the cluster; rejects if the store does not answer. */
  async start(): Promise<void> {
    await this.#join()
    await this.refresh()
    // The first heartbeat goes at once, because a lease may have run out already or be about to.
    this.#schedule(0)
  }

  /** Resolves once the id of this node no longer changes. */
  async stop(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#countTimer)
    await this.#rejoining
  }

  /** Called when the number of connections has changed. Reports it soon, several changes at once. */
  countChanged(): void {
    this.#isCountStale = true
    this.#countTimer ??= setTimeout(() => this.#reportCount(), 0).unref()
  }

  /** Whether this node surely has its lease: nobody can have declared it dead by now. */
  get hasLease(): boolean {
    return performance.now() - this.#renewedAt < this.#settings.deadAfter
  }

  /**
   * True if this node has its lease; asks the store if that is not sure, and joins again if it is lost. A process that
   * was paused must ask before it delivers, because another node may have taken over its inbox meanwhile.
   */
  // Invariant N8: after a pause others may have taken this node over.
  async confirmLease(): Promise<boolean> {
    if (this.hasLease) return true
    const node = this.#node
    const renewal = await this.#renew()
    if (renewal.type === 'renewed') return true
    if (node === this.#node) void this.rejoin()
    return false
  }

  /** Sends the next heartbeat now, because the store may have lost this node's lease. */
  renewNow(): void {
    if (this.#closed || this.#isRenewing || this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#schedule(0)
  }

  /** Asks the store which nodes have come and gone since it was last asked, and emits the events. */
  async refresh(): Promise<void> {
    const now = new Roster(await this.#state.nodes(this.#roster.list))
    if (this.#closed) return
    const before = this.#roster
    this.#roster = now
    this.#announce(before, now)
  }

  /** Joins again under a new id and retries until that succeeds. The sockets stay open meanwhile. */
  rejoin(): Promise<void> {
    this.#rejoining ??= this.#rejoin().finally(() => {
      this.#rejoining = undefined
    })
    return this.#rejoining
  }

  async #rejoin(): Promise<void> {
    const from = this.#node
    this.#logger.warn({ node: from }, 'this node has lost its place in the cluster and joins again')
    await retry(() => this.#joinAgain(from), {
      pause: RETRY_PAUSE,
      isOver: () => this.#closed,
      onFailure: (error) => this.#logger.warn({ error }, 'cannot join yet'),
    })
  }

  async #joinAgain(from: NodeId): Promise<void> {
    await this.#join()
    this.#logger.info({ node: this.#node, from }, 'joined again')
    await this.refresh()
    this.#hooks().rejoined(from)
  }

  /**
   * Takes the lease first: if the join stops halfway, the lease runs out and other nodes clean up. The inbox is opened
   * before anybody is bound here. Each attempt has an id of its own, because the previous attempt's may have been
   * evicted by now.
   */
  async #join(): Promise<void> {
    const { name } = this.#settings
    // Invariants N6, N7: lease, inbox, then clients, under an id that was never used before.
    this.#incarnation = incarnationAfter(this.#incarnation, await this.#queue.seat?.(this.process))
    const node = nodeId(name, this.process, this.#incarnation)
    const sentAt = performance.now()
    await this.#state.join({ node, name, url: this.#hooks().url(), startedAt: this.#startedAt })
    // A later incarnation reads broadcasts on from where the earlier one was, because the same clients are still here.
    const offset = await this.#queue.open(node, this.#node)
    this.#node = node
    this.#renewedAt = sentAt
    this.#hooks().joined(offset)
  }

  #schedule(delay: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#sendHeartbeat(), delay)
  }

  async #sendHeartbeat(): Promise<void> {
    const { heartbeat } = this.#settings
    this.#isRenewing = true
    let next = heartbeat
    try {
      const renewal = await this.#renew()
      // Invariant N11: a store that has lost this node does not say so by itself.
      if (renewal.type === 'evicted' || !(await this.#queue.isOpen(this.#node))) await this.rejoin()
      if (renewal.type === 'renewed') {
        if (renewal.version !== this.#roster.list.version) await this.refresh()
        next = Math.min(heartbeat, (renewal.nextExpiry ?? heartbeat) + EXPIRY_SLACK)
        for (const node of renewal.overdue) this.#hooks().leaseExpired(node)
        for (const node of renewal.orphaned) this.#hooks().needsTakeover(node, this.#reasonOf(node))
        this.#hooks().renewed()
      }
    } catch (error) {
      if (!this.#closed) this.#logger.warn({ error: messageOf(error) }, 'the store did not take a heartbeat')
    }
    this.#isRenewing = false
    this.#schedule(next)
  }

  async #renew(): Promise<Renewal> {
    const sentAt = performance.now()
    const node = this.#node
    const renewal = await this.#state.renew(node, this.#hooks().connectionCount())
    if (renewal.type === 'renewed' && node === this.#node) this.#renewedAt = sentAt
    return renewal
  }

  /** Reports the first change at once, then every `COUNT_PAUSE` ms all that came since. */
  #reportCount(): void {
    this.#countTimer = undefined
    if (!this.#isCountStale || this.#closed) return
    this.#isCountStale = false
    const told = this.#state.reportCount(this.#node, this.#hooks().connectionCount())
    // The next heartbeat reports it again.
    told.catch((error: unknown) => this.#logger.debug({ error }, 'the connection count was not stored'))
    this.#countTimer = setTimeout(() => this.#reportCount(), COUNT_PAUSE).unref()
  }

  #reasonOf(node: NodeId): ShutdownReason {
    return this.#roster.gone.find((gone) => gone.node === node)?.reason ?? 'dead'
  }

  #announce(before: Roster, now: Roster): void {
    const known = new Set(before.live.map(({ node }) => node))
    const here = new Set(now.live.map(({ node }) => node))
    for (const { node, name } of now.live) {
      if (!known.has(node) && !this.isSelf(node)) this.#events.emit('discover', { node, name })
    }
    for (const node of known) {
      if (here.has(node) || this.isSelf(node)) continue
      this.#events.emit('shutdown', { node, reason: this.#reasonOf(node) })
    }
  }
}

function messageOf(error: unknown): string {
  return isFlotillaError(error) ? error.message : String(error)
}
