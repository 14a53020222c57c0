import type { ClientConnection } from '../connection/client-connection.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Recipients, ControlAction, ControlEnvelope, ReplyEnvelope } from '../envelope/envelope.ts'
import type { Group, NodeId } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Dispatcher } from '../push/dispatcher.ts'
import type { Bindings } from './bindings.ts'
import type { Membership } from './membership.ts'
import { tooManyGroups } from './registrar.ts'

interface ControlsSettings {
  /** ms that a control may take. */
  readonly storeWait: number
  readonly maxGroupsPerConnection: number
}

/** A control that was sent, until every node has replied. */
class Pending {
  readonly done: Promise<number>
  readonly #answered = new Set<NodeId>()
  #expected: ReadonlySet<NodeId> | undefined
  #count = 0
  #resolve!: (count: number) => void

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Called once it is known which nodes have to reply. */
  expect(nodes: Iterable<NodeId>): void {
    this.#expected = new Set(nodes)
    this.#check()
  }

  /** Called for each reply; the second one of a node counts for nothing. */
  answered(node: NodeId, count: number): void {
    if (this.#answered.has(node)) return
    this.#answered.add(node)
    this.#count += count
    this.#check()
  }

  /** Called when time is up: a node that has not replied has died, and its connections with it. */
  giveUp(): void {
    this.#resolve(this.#count)
  }

  #check(): void {
    if (this.#expected === undefined) return
    for (const node of this.#expected) if (!this.#answered.has(node)) return
    this.#resolve(this.#count)
  }
}

/**
 * Controls: join, leave and close. Only the node that hosts a connection knows and writes what State says of it, so a
 * control goes to every hosting node, which obeys it and replies with the number of connections it touched.
 */
export class Controls {
  readonly #hub: Hub
  readonly #bindings: Bindings
  readonly #membership: Membership
  readonly #dispatcher: Dispatcher
  readonly #closeConnection: (connection: ClientConnection, code: number, reason: string) => void
  readonly #replyWait: number
  readonly #maxGroups: number
  readonly #pending = new Map<number, Pending>()
  #lastCorrelation = 0

  constructor(
    parts: { hub: Hub; bindings: Bindings; membership: Membership; dispatcher: Dispatcher },
    closeConnection: (connection: ClientConnection, code: number, reason: string) => void,
    { storeWait, maxGroupsPerConnection }: ControlsSettings,
  ) {
    this.#hub = parts.hub
    this.#bindings = parts.bindings
    this.#membership = parts.membership
    this.#dispatcher = parts.dispatcher
    this.#closeConnection = closeConnection
    this.#replyWait = storeWait
    this.#maxGroups = maxGroupsPerConnection
  }

  /** Resolves to the number of connections touched, once every node that hosts one has obeyed. */
  async request(target: ParsedTarget, action: ControlAction): Promise<number> {
    // If all the connections are here, as when one joins a group itself, no lookup is needed.
    const local = target.type === 'connections' ? this.#hub.select(target) : undefined
    if (target.type === 'connections' && local?.size === target.connections.length) {
      if (action.type === 'join' && this.#withRoom(local, action.groups).size < local.size)
        throw tooManyGroups(this.#maxGroups)
      return this.#act(local, action)
    }
    return this.#requestElsewhere(target, action)
  }

  async #requestElsewhere(target: ParsedTarget, action: ControlAction): Promise<number> {
    const correlation = ++this.#lastCorrelation
    const pending = new Pending()
    this.#pending.set(correlation, pending)
    const timer = setTimeout(() => pending.giveUp(), this.#replyWait)
    try {
      const replyTo = this.#membership.node
      const make = (to: Recipients): ControlEnvelope => ({ type: 'control', to, action, replyTo, correlation })
      const nodes = await new Promise<readonly NodeId[]>((resolve, failed) => {
        this.#dispatcher.dispatch({
          target,
          make,
          done: (_count, _offline, stored) => resolve(stored.map(({ node }) => node)),
          failed,
        })
      })
      pending.expect(target.type === 'all' ? this.#membership.live.map(({ node }) => node) : nodes)
      return await pending.done
    } finally {
      clearTimeout(timer)
      this.#pending.delete(correlation)
    }
  }

  /** Called for each control that this node gets, from another node or from itself: acts on it and replies. */
  async obey({ to, action, replyTo, correlation }: ControlEnvelope): Promise<void> {
    const count = await this.#act(this.#hub.select(to), action)
    const reply: ReplyEnvelope = { type: 'reply', from: this.#membership.node, correlation, count }
    if (this.#membership.isSelf(replyTo)) this.answered(reply)
    else this.#dispatcher.sendTo(replyTo, reply)
  }

  /** Called for each reply to a control of this node. */
  answered({ from, correlation, count }: ReplyEnvelope): void {
    this.#pending.get(correlation)?.answered(from, count)
  }

  /** Resolves to the number of connections touched. */
  async #act(connections: ReadonlySet<ClientConnection>, action: ControlAction): Promise<number> {
    switch (action.type) {
      case 'close':
        for (const connection of connections) this.#closeConnection(connection, action.code, action.reason)
        await this.#untilUnlisted(connections)
        return connections.size
      case 'join': {
        const joining = this.#withRoom(connections, action.groups)
        await this.#changeGroups(joining, action.groups, (connection, group) => this.#hub.join(connection, group))
        return joining.size
      }
      case 'leave':
        await this.#changeGroups(connections, action.groups, (connection, group) => this.#hub.leave(connection, group))
        return connections.size
      default:
        throw action satisfies never
    }
  }

  /** Waits until the store no longer lists the connections. A store that is away is told later. */
  async #untilUnlisted(connections: ReadonlySet<ClientConnection>): Promise<void> {
    const stored = [...connections].map((connection) => this.#bindings.touchGroups(connection, []))
    await withDeadline(Promise.all(stored), this.#replyWait, storeAway).catch(() => {})
  }

  /** The connections that may join the groups without being in more than `maxGroupsPerConnection`. */
  #withRoom(connections: ReadonlySet<ClientConnection>, groups: readonly Group[]): ReadonlySet<ClientConnection> {
    const isFull = ({ groupStamps }: ClientConnection): boolean => {
      // Most connections are far from the limit: for them it does not matter which of the groups they are in already.
      if (groupStamps.size + groups.length <= this.#maxGroups) return false
      return groupStamps.size + groups.filter((group) => !groupStamps.has(group)).length > this.#maxGroups
    }
    return new Set([...connections].filter((connection) => !isFull(connection)))
  }

  async #changeGroups(
    connections: ReadonlySet<ClientConnection>,
    groups: readonly Group[],
    change: (connection: ClientConnection, group: Group) => void,
  ): Promise<void> {
    const stored: Promise<void>[] = []
    for (const connection of connections) {
      for (const group of groups) change(connection, group)
      stored.push(this.#bindings.touchGroups(connection, groups))
    }
    await withDeadline(Promise.all(stored), this.#replyWait, storeAway)
  }
}

const storeAway = (): FlotillaError =>
  new FlotillaError('FLT_STORE_AWAY', 'the store did not take the change in time: try again')
