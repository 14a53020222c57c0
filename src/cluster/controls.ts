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
  /** ms that an order may take. */
  readonly storeWait: number
  readonly maxGroupsPerConnection: number
}

/** An order that was given, until every node has said what it came to. */
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

  expect(nodes: Iterable<NodeId>): void {
    this.#expected = new Set(nodes)
    this.#check()
  }

  answered(node: NodeId, count: number): void {
    if (this.#answered.has(node)) return
    this.#answered.add(node)
    this.#count += count
    this.#check()
  }

  /** Some node died with the order: its connections died with it. */
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
 * Orders to the nodes that host connections: join, leave, close. Only the hosting node knows, and writes, what its
 * connections are; so it is told, does it, and answers with how many they were.
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
    rooms: { hub: Hub; bindings: Bindings; membership: Membership; dispatcher: Dispatcher },
    closeConnection: (connection: ClientConnection, code: number, reason: string) => void,
    { storeWait, maxGroupsPerConnection }: ControlsSettings,
  ) {
    this.#hub = rooms.hub
    this.#bindings = rooms.bindings
    this.#membership = rooms.membership
    this.#dispatcher = rooms.dispatcher
    this.#closeConnection = closeConnection
    this.#replyWait = storeWait
    this.#maxGroups = maxGroupsPerConnection
  }

  /** Resolves to how many connections it touched, once every node that hosts one has done it. */
  async request(target: ParsedTarget, action: ControlAction): Promise<number> {
    // What is all here, such as a connection that joins a group itself, needs no lookup.
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

  /** Does what another node, or this one, has ordered, and says so. */
  async obey({ to, action, replyTo, correlation }: ControlEnvelope): Promise<void> {
    const count = await this.#act(this.#hub.select(to), action)
    const reply: ReplyEnvelope = { type: 'reply', from: this.#membership.node, correlation, count }
    if (this.#membership.isSelf(replyTo)) this.answered(reply)
    else this.#dispatcher.sendTo(replyTo, reply)
  }

  answered({ from, correlation, count }: ReplyEnvelope): void {
    this.#pending.get(correlation)?.answered(from, count)
  }

  /** Resolves to how many connections they were. */
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

  /** They are closed, whether the store has heard of it or not: if it is away, it will later. */
  async #untilUnlisted(connections: ReadonlySet<ClientConnection>): Promise<void> {
    const stored = [...connections].map((connection) => this.#bindings.touchGroups(connection, []))
    await withDeadline(Promise.all(stored), this.#replyWait, storeAway).catch(() => {})
  }

  /** Those that would not be in more groups than one may be. */
  #withRoom(connections: ReadonlySet<ClientConnection>, groups: readonly Group[]): ReadonlySet<ClientConnection> {
    const isFull = ({ groupStamps }: ClientConnection): boolean => {
      // Most are far from it, and need not be asked which of the groups they are in already.
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
