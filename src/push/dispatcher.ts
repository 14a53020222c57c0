import type { Queue } from '../drivers/queue.ts'
import { FlotillaError } from '../errors.ts'
import type { Address, Codec, Envelope, PushEnvelope } from '../protocol/envelope.ts'
import type { NodeId, Uid } from '../protocol/ids.ts'
import type { ParsedTarget } from '../protocol/target.ts'
import { Job, type Dispatched } from './job.ts'
import { Lane, type Outcome } from './lane.ts'
import type { LocatableTarget, Locator } from './locator.ts'
import type { Shares } from './shares.ts'

/** Forwarded and taken over so often, a message goes round in circles. */
const MAX_HOPS = 3
const STORED: Outcome = { type: 'stored', nodeCount: 1 }

/** What is for this very node goes here, without a detour over the store. An emitter has none. */
export interface LocalNode {
  isSelf(node: NodeId): boolean
  /** Resolves once it is delivered, or on its way to where its users have gone. */
  deliver(envelope: Envelope): Promise<void> | void
}

/** Called when a push has found nobody at all. */
export type OnUndelivered = (push: PushEnvelope) => void

/** Brings envelopes to the nodes that host their targets: locates, splits by node, appends. */
export class Dispatcher {
  readonly #queue: Queue
  readonly #codec: Codec
  readonly #publisher: string
  readonly #locator: Locator
  readonly #local: LocalNode | undefined
  readonly #onUndelivered: OnUndelivered
  readonly #lanes = new Map<NodeId, Lane>()
  readonly #broadcasts: Lane
  readonly #underWay = new Set<Promise<unknown>>()

  constructor({
    queue,
    codec,
    publisher,
    locator,
    local,
    onUndelivered,
  }: {
    queue: Queue
    codec: Codec
    publisher: string
    locator: Locator
    local?: LocalNode
    onUndelivered: OnUndelivered
  }) {
    this.#queue = queue
    this.#codec = codec
    this.#publisher = publisher
    this.#locator = locator
    this.#local = local
    this.#onUndelivered = onUndelivered
    this.#broadcasts = new Lane(publisher, async (batch) => {
      return guard(() => queue.publishAll(codec.encode(batch)))
    })
  }

  /** A first copy for everyone in the target; `skip` are nodes that have it from an earlier attempt. */
  dispatch(target: ParsedTarget, make: (to: Address) => Envelope, skip: readonly NodeId[] = []): Promise<Dispatched> {
    return this.#track((resolve, reject) => {
      if (target.type === 'all') {
        this.#broadcasts.add(make({ type: 'all' }), (outcome) => settleBroadcast(outcome, resolve, reject))
        return
      }
      const send = (shares: Shares): void => {
        const job = new Job(shares, skip, resolve, reject)
        job.start((node, to) => this.#send(node, make(to), job))
      }
      this.#locator.ask(target, undefined, send, reject)
    })
  }

  /** One envelope for one node that is known already: a reply. */
  sendTo(node: NodeId, envelope: Envelope): void {
    this.#laneTo(node).add(envelope, () => {})
  }

  /**
   * Sends a copy after users or groups that a node did not have (any more): to wherever they are now. It reaches only
   * connections younger than the lookup that the first copy was sent by. Resolves, once that is stored, to those of the
   * target that were nowhere.
   */
  async resend(push: PushEnvelope, ignoring: NodeId | undefined): Promise<readonly string[]> {
    const target = targetOf(push.to)
    if (target === undefined || push.hops >= MAX_HOPS) {
      this.#onUndelivered(push)
      return target === undefined ? [] : keysOf(target)
    }
    const dispatched = await this.#track((resolve, reject) => {
      const send = (shares: Shares): void => {
        const job = new Job(shares, [], resolve, reject)
        job.start((node, to) => {
          const copy: PushEnvelope = { ...push, to: withStampsOf(to, push.to), hops: push.hops + 1, resent: true }
          this.#send(node, copy, job)
        })
      }
      this.#locator.ask(target, ignoring, send, reject)
    })
    if (dispatched.nodes.length === 0) this.#onUndelivered(push)
    return dispatched.offline
  }

  /** Resolves once everything that is under way is stored, or has failed: each is bounded by `storeWait`. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  #track(
    start: (resolve: (dispatched: Dispatched) => void, reject: (error: unknown) => void) => void,
  ): Promise<Dispatched> {
    const dispatched = new Promise<Dispatched>(start)
    this.#underWay.add(dispatched)
    const done = (): void => void this.#underWay.delete(dispatched)
    dispatched.then(done, done)
    return dispatched
  }

  #send(node: NodeId, envelope: Envelope, job: Job): void {
    if (this.#local?.isSelf(node) === true) {
      void this.#deliverHere(envelope).then((outcome) => job.settle(node, outcome))
      return
    }
    this.#laneTo(node).add(envelope, (outcome) => {
      if (outcome.type === 'closed' && envelope.type === 'push') void this.#sendElsewhere(node, envelope, job)
      else job.settle(node, outcome)
    })
  }

  async #deliverHere(envelope: Envelope): Promise<Outcome> {
    try {
      await this.#local?.deliver(envelope)
      return STORED
    } catch (error) {
      return { type: 'failed', error }
    }
  }

  /** The node died between lookup and append: nothing was stored there, so look again without it. */
  async #sendElsewhere(node: NodeId, push: PushEnvelope, job: Job): Promise<void> {
    try {
      job.miss(await this.resend(push, node))
    } catch (error) {
      job.settle(node, { type: 'failed', error })
    }
  }

  #laneTo(node: NodeId): Lane {
    const known = this.#lanes.get(node)
    if (known !== undefined) return known
    const lane = new Lane(this.#publisher, async (batch) => {
      const outcome = await guard(async () => ({
        type: await this.#queue.publish(node, this.#codec.encode(batch)),
        nodeCount: 1,
      }))
      // Node ids are never used again, so nothing will ever be sent there.
      if (outcome.type === 'closed') this.#lanes.delete(node)
      return outcome
    })
    this.#lanes.set(node, lane)
    return lane
  }
}

async function guard(
  append: () => Promise<Outcome | { type: Exclude<Outcome['type'], 'failed'>; nodeCount: number }>,
): Promise<Outcome> {
  try {
    return await append()
  } catch (error) {
    return { type: 'failed', error }
  }
}

function settleBroadcast(
  outcome: Outcome,
  resolve: (value: Dispatched) => void,
  reject: (error: unknown) => void,
): void {
  if (outcome.type === 'stored') resolve({ nodes: [], nodeCount: outcome.nodeCount, offline: [] })
  else if (outcome.type === 'failed') reject(outcome.error)
  else
    reject(new FlotillaError('FLT_INBOX_FULL', 'the broadcast stream is full, for a node reads too slowly: try again'))
}

function targetOf(to: Address): LocatableTarget | undefined {
  switch (to.type) {
    case 'users':
      return { type: 'users', uids: to.users.map(({ uid }) => uid) }
    case 'groups':
      return { type: 'groups', groups: to.groups.map(({ group }) => group) }
    case 'connections':
    case 'all':
      return undefined
    default:
      throw to satisfies never
  }
}

function keysOf(target: LocatableTarget): readonly string[] {
  return target.type === 'users' ? target.uids : []
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
