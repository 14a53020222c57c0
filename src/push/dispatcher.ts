import type { Broadcasts } from '../drivers/broadcasts.ts'
import type { Refused } from '../drivers/entry.ts'
import type { Inboxes } from '../drivers/inboxes.ts'
import type { Routes } from '../drivers/routes.ts'
import type { Address, Codec, Envelope, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { DirectWay } from './direct-way.ts'
import { type Courier, Job, type Order } from './job.ts'
import { Lane, type Outcome, type Settler } from './lane.ts'
import type { LocatableTarget, Locator } from './locator.ts'

/**
 * Forwarded and taken over so often, a message goes round in circles: nobody moves as often while it is on its way, and
 * who is nowhere for a moment has it parked.
 */
const MAX_HOPS = 8
const STORED: Outcome = { type: 'stored', nodeCount: 1 }

/** What is for this very node goes here, without a detour over the store. An emitter has none. */
export interface LocalNode {
  readonly self: NodeId
  isSelf(node: NodeId): boolean
  /** Nothing where it is delivered; else a promise that it will be, or is on its way to where its users have gone. */
  deliver(envelope: Envelope): Promise<unknown> | undefined
}

export interface DispatcherInit {
  readonly queue: Inboxes & Broadcasts
  readonly codec: Codec
  /** Who numbers the batches. */
  readonly publisher: string
  readonly locator: Locator
  /** Where lookup and append can be one step. */
  readonly appendWhereFound?: Routes['appendWhereFound']
  readonly local?: LocalNode
  /** Keeps a copy for users who are nowhere; returns those who are somewhere by now. An emitter has no need of it. */
  readonly park?: (
    push: PushEnvelope,
    users: readonly UserRef[],
    ignored: NodeId | undefined,
  ) => Promise<readonly UserRef[]>
  /** Told of a push that found nobody any more. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/** Brings envelopes to the nodes that host their targets: locates, splits by node, appends. */
export class Dispatcher implements Courier {
  readonly #init: DispatcherInit
  readonly #lanes = new Map<NodeId, Lane>()
  readonly #broadcasts: Lane
  readonly #directWay: DirectWay | undefined
  /** What came while nothing else was under way, and behind it. */
  #alone: Order[] | undefined
  #underWay = 0
  #whenIdle: (() => void)[] = []

  constructor(init: DispatcherInit) {
    const { queue, codec, publisher, appendWhereFound } = (this.#init = init)
    this.#directWay = appendWhereFound && new DirectWay(appendWhereFound, codec, publisher)
    this.#broadcasts = new Lane('*' as NodeId, publisher, (batch) => guard(() => queue.publishAll(codec.encode(batch))))
  }

  /** Sends first copies to everyone in the target. */
  dispatch(order: Order<ParsedTarget>): void {
    this.#underWay++
    if (!isLocatable(order)) this.#broadcasts.add(order.make({ type: 'all' }), new Broadcast(this, order))
    else if (this.#alone !== undefined) this.#alone.push(order)
    else if (this.#directWay !== undefined && this.#underWay === 1) this.#beginAlone(this.#directWay, order)
    else this.#locate(order)
  }

  #locate(order: Order): void {
    this.#init.locator.ask(new Job(this, order))
  }

  #beginAlone(way: DirectWay, order: Order): void {
    const orders = [order]
    this.#alone = orders
    queueMicrotask(() => void this.#sendAlone(way, orders))
  }

  /** One after another takes the direct way as long as each has nobody beside it; then they go together, in order. */
  async #sendAlone(way: DirectWay, orders: Order[]): Promise<void> {
    while (orders.length === 1 && this.#underWay === 1) {
      const order = orders.pop()!
      if (await this.#sendDirectly(way, order)) continue
      orders.unshift(order)
      break
    }
    this.#alone = undefined
    for (const order of orders) this.#locate(order)
  }

  /** False where it has to go the usual way. */
  async #sendDirectly(way: DirectWay, order: Order): Promise<boolean> {
    const { local } = this.#init
    const self = local?.self
    try {
      const shares = await way.send(order, self)
      if (shares === undefined) return false
      new Job(this.#afterDirectWay(local, self), order).answered(shares)
    } catch (error) {
      order.failed(error)
      this.ended()
    }
    return true
  }

  /** All but this node have it. */
  #afterDirectWay(local: LocalNode | undefined, self: NodeId | undefined): Courier {
    return {
      send: (node, envelope, job) => {
        if (local !== undefined && node === self) this.#deliverHere(local, node, envelope, job)
        else job.settle(STORED, node, envelope)
      },
      sendElsewhere: (node, push, job) => this.sendElsewhere(node, push, job),
      ended: () => this.ended(),
    }
  }

  /** One envelope for one node that is known already: a reply. */
  sendTo(node: NodeId, envelope: Envelope): void {
    this.#laneTo(node).add(envelope, { settle: () => {} })
  }

  /**
   * Sends a copy after users or groups that a node did not have (any more): to wherever they are now. It reaches only
   * connections younger than the lookup that the first copy was sent by. Users who are nowhere have it parked. Resolves
   * once that is stored.
   */
  async resend(push: PushEnvelope, ignoring: NodeId | undefined): Promise<void> {
    const { nodeCount, missed } = await this.#sendCopy(push, ignoring)
    const { park } = this.#init
    if (park === undefined || push.to.type !== 'users') {
      if (nodeCount === 0) this.#init.onUndelivered(push)
      return
    }
    if (missed.length === 0) return
    const nowhere = new Set(missed)
    const users = await park(
      push,
      push.to.users.filter(({ uid }) => nowhere.has(uid)),
      ignoring,
    )
    // They came between the lookup and now.
    if (users.length > 0) await this.resend({ ...push, to: { type: 'users', users }, hops: push.hops + 1 }, ignoring)
  }

  /** The same for those who have just left others of the target behind, and may have gone for good. */
  async resendToStragglers(push: PushEnvelope, ignoring: NodeId | undefined): Promise<void> {
    await this.#sendCopy(push, ignoring)
  }

  /** Resolves to how many nodes it is stored for, and to those of the target that were nowhere. */
  #sendCopy(
    push: PushEnvelope,
    ignoring: NodeId | undefined,
  ): Promise<{ nodeCount: number; missed: readonly string[] }> {
    const target = targetOf(push.to)
    if (target === undefined || push.hops >= MAX_HOPS) {
      this.#init.onUndelivered(push)
      return Promise.resolve({ nodeCount: 0, missed: [] })
    }
    const copy = { ...push, hops: push.hops + 1, resent: true }
    const make = (to: Address): PushEnvelope => ({ ...copy, to: withStampsOf(to, push.to) })
    return new Promise((resolve, reject) => {
      const done: Order['done'] = (nodeCount, missed) => resolve({ nodeCount, missed })
      this.dispatch({ target, make, ignoring, done, failed: reject })
    })
  }

  /** Resolves once everything that is under way is stored, or has failed: each is bounded by `storeWait`. */
  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#whenIdle.push(resolve))
  }

  // ---- what a job needs

  send(node: NodeId, envelope: Envelope, job: Job): void {
    const { local } = this.#init
    const lane = this.#lanes.get(node)
    if (lane !== undefined) lane.add(envelope, job)
    else if (local?.isSelf(node) === true) this.#deliverHere(local, node, envelope, job)
    else this.#laneTo(node).add(envelope, job)
  }

  sendElsewhere(node: NodeId, push: PushEnvelope, job: Job): void {
    const failed = (error: unknown): void => job.settle({ type: 'failed', error }, node, push)
    const gone = this.#init.locator.departure(node)
    // A first copy's receipt names who is offline; nobody is told that of a later one, so it is parked.
    if (push.resent) gone.then(() => this.resend(push, node)).then(() => job.miss([]), failed)
    else gone.then(() => this.#sendCopy(push, node)).then(({ missed }) => job.miss(missed), failed)
  }

  ended(): void {
    this.#underWay--
    if (this.#underWay > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  #deliverHere(local: LocalNode, node: NodeId, envelope: Envelope, job: Job): void {
    const failed = (error: unknown): void => job.settle({ type: 'failed', error }, node, envelope)
    try {
      const work = local.deliver(envelope)
      if (work === undefined) job.settle(STORED, node, envelope)
      else work.then(() => job.settle(STORED, node, envelope), failed)
    } catch (error) {
      failed(error)
    }
  }

  #laneTo(node: NodeId): Lane {
    const known = this.#lanes.get(node)
    if (known !== undefined) return known
    const { queue, codec, publisher } = this.#init
    const lane = new Lane(node, publisher, async (batch, isOwed) => {
      const bytes = codec.encode(batch)
      const outcome = await guard(async () => ({ type: await queue.publish(node, bytes, isOwed), nodeCount: 1 }))
      // Node ids are never used again, so nothing will ever be sent there.
      if (outcome.type === 'closed') this.#lanes.delete(node)
      return outcome
    })
    this.#lanes.set(node, lane)
    return lane
  }
}

type Appended = { type: Exclude<Outcome['type'], 'failed'>; nodeCount: number } | { type: Refused }

async function guard(append: () => Promise<Appended>): Promise<Outcome> {
  try {
    return await append()
  } catch (error) {
    return { type: 'failed', error }
  }
}

function isLocatable(order: Order<ParsedTarget>): order is Order {
  return order.target.type !== 'all'
}

/** A push to everyone under way: one append, whoever reads it. */
class Broadcast implements Settler {
  readonly #courier: Courier
  readonly #order: Order<ParsedTarget>

  constructor(courier: Courier, order: Order<ParsedTarget>) {
    this.#courier = courier
    this.#order = order
  }

  settle(outcome: Outcome): void {
    if (outcome.type === 'stored') this.#order.done(outcome.nodeCount, [], [])
    else if (outcome.type === 'failed') this.#order.failed(outcome.error)
    else this.#order.failed(refusedByStream(outcome.type === 'behind'))
    this.#courier.ended()
  }
}

function refusedByStream(isBehind: boolean): FlotillaError {
  if (isBehind)
    return new FlotillaError('FLT_INBOX_BEHIND', 'a node is further behind with broadcasts than maxLag: try again')
  return new FlotillaError('FLT_INBOX_FULL', 'the broadcast stream is full, for a node reads too slowly: try again')
}

function targetOf(to: Address): LocatableTarget | undefined {
  switch (to.type) {
    case 'users':
      return { type: 'users', uids: to.users.map(({ uid }) => uid) }
    case 'groups':
      return { type: 'groups', groups: to.groups.map(({ group }) => group) }
    case 'connections':
      return { type: 'connections', connections: to.connections }
    case 'all':
      return undefined
    default:
      throw to satisfies never
  }
}

/** The addressees of a new lookup with the stamps of the first: those decide who has had the message. */
function withStampsOf(to: Address, first: Address): Address {
  if (to.type === 'users' && first.type === 'users') {
    const stamps = new Map(first.users.map(({ uid, stamp }): [Uid, number] => [uid, stamp]))
    return { type: 'users', users: to.users.map(({ uid, stamp }) => ({ uid, stamp: stamps.get(uid) ?? stamp })) }
  }
  if (to.type === 'groups' && first.type === 'groups') {
    const stamps = new Map(first.groups.map(({ group, stamp }) => [group, stamp]))
    return {
      type: 'groups',
      groups: to.groups.map(({ group, stamp }) => ({ group, stamp: stamps.get(group) ?? stamp })),
    }
  }
  return to
}
