import type { Routes } from '../drivers/routes.ts'
import type { Recipients, Envelope, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { ParsedTarget } from '../envelope/target.ts'
import { Broadcast } from './broadcast.ts'
import { DirectSender } from './direct-sender.ts'
import type { Dispatch } from './dispatch.ts'
import { Holder } from './holder.ts'
import { Job } from './job.ts'
import type { Locator } from './locator.ts'
import { NodeSender, type NodeSenderInit } from './node-sender.ts'
import type { Parker } from './parker.ts'
import type { Sending } from './sending.ts'
import { targetOf, withStampsOf } from './targets.ts'
import { Turns } from './turns.ts'

/**
 * After this many hops, by forwarding or takeover, a copy counts as going round in circles and is given up. Nobody moves
 * that often while a message is on its way, and for users who are nowhere for a moment it is parked.
 */
const MAX_HOPS = 8

export interface DispatcherInit extends NodeSenderInit {
  readonly locator: Locator
  /** Present if lookup and append can be one step. */
  readonly appendWhereFound?: Routes['appendWhereFound']
  /** Parks pushes with `hold`. */
  readonly parker: Parker
  /** ms. */
  readonly storeWait: number
  /** Keeps a re-sent copy for users who are nowhere; returns those who are somewhere by now. An emitter does not need it. */
  readonly park?: (
    push: PushEnvelope,
    users: readonly UserRef[],
    ignored: NodeId | undefined,
  ) => Promise<readonly UserRef[]>
  /** Called for a push whose recipients were found nowhere any more. */
  readonly onUndelivered: (push: PushEnvelope) => void
}

/** Brings envelopes to the nodes that host their targets: locates, splits by node, sends. */
export class Dispatcher {
  readonly #init: DispatcherInit
  readonly #sending: Sending
  readonly #directSender: DirectSender | undefined
  /** The dispatches that may still be sent without a lookup of their own: the first of this turn, and those after it. */
  #gathered: Dispatch[] | undefined
  #underWay = 0
  #whenIdle: (() => void)[] = []

  constructor(init: DispatcherInit) {
    this.#init = init
    const { codec, publisher, appendWhereFound } = init
    this.#directSender = appendWhereFound && new DirectSender(appendWhereFound, codec, publisher)
    this.#sending = {
      nodes: new NodeSender(init),
      turns: new Turns(),
      sendElsewhere: (node, push) => this.#sendElsewhere(node, push),
      hold: (push, users, keepFor) => holder.hold(push, users, keepFor),
      ended: () => this.#ended(),
    }
    // Invariant R5: not as a re-sent copy, because nobody has had the first. Nothing that was parked before is overtaken.
    const holder = new Holder({ ...init, sendLater: (push) => this.#sendCopy(push, undefined) })
  }

  dispatch(dispatch: Dispatch<ParsedTarget>): void {
    this.#underWay++
    if (!isLocatable(dispatch)) this.#sending.turns.take(new Broadcast(this.#sending, dispatch))
    else if (this.#gathered !== undefined) this.#gathered.push(dispatch)
    else if (this.#directSender !== undefined && this.#underWay === 1) this.#gather(this.#directSender, dispatch)
    else this.#locate(dispatch)
  }

  #locate(dispatch: Dispatch): void {
    this.#init.locator.ask(new Job(this.#sending, dispatch))
  }

  #gather(sender: DirectSender, first: Dispatch): void {
    const gathered = [first]
    this.#gathered = gathered
    queueMicrotask(() => void this.#sendGathered(sender, gathered))
  }

  /**
   * Sends dispatches directly, one after another, as long as each is alone. Once there are several, they are looked up
   * together, in order.
   */
  async #sendGathered(sender: DirectSender, gathered: Dispatch[]): Promise<void> {
    // Invariant D3: only a push that has nobody beside it goes directly, so that nothing overtakes.
    while (gathered.length === 1 && this.#underWay === 1) {
      const alone = gathered.pop()!
      if (await this.#sendDirectly(sender, alone)) continue
      gathered.unshift(alone)
      break
    }
    this.#gathered = undefined
    for (const dispatch of gathered) this.#locate(dispatch)
  }

  /** Returns false if the dispatch has to be located first. */
  async #sendDirectly(sender: DirectSender, dispatch: Dispatch): Promise<boolean> {
    const self = this.#init.local?.self
    const job = new Job(this.#sending, dispatch)
    try {
      const split = await sender.send(dispatch, self)
      if (split === undefined) return false
      this.#sending.turns.follow(job.appended(split, self))
    } catch (error) {
      job.failed(error)
    }
    return true
  }

  /** Sends a reply to the node that asked for it. */
  sendTo(node: NodeId, envelope: Envelope): void {
    this.#sending.nodes.reply(node, envelope)
  }

  /**
   * Sends a copy of a push to wherever its users or groups are now, because a node does not have them (any more). The copy
   * reaches only connections that are younger than the first copy's lookup, and is parked for users who are nowhere.
   * Resolves once all of that is stored.
   */
  async resend(push: PushEnvelope, ignoring: NodeId | undefined): Promise<void> {
    const { nodes, missed } = await this.#sendCopy({ ...push, resent: true }, ignoring)
    const { park } = this.#init
    if (park === undefined || push.to.type !== 'users') {
      if (nodes.length === 0) this.#init.onUndelivered(push)
      return
    }
    if (missed.length === 0) return
    const nowhere = new Set(missed)
    const users = await park(
      push,
      push.to.users.filter(({ uid }) => nowhere.has(uid)),
      ignoring,
    )
    // These users came back between the lookup and the parking.
    if (users.length > 0) await this.resend({ ...push, to: { type: 'users', users }, hops: push.hops + 1 }, ignoring)
  }

  /** Like `resend`, but for users who still have a connection here, so nothing is parked for them. */
  async resendToStragglers(push: PushEnvelope, ignoring: NodeId | undefined): Promise<void> {
    await this.#sendCopy({ ...push, resent: true }, ignoring)
  }

  /** Resolves to the nodes that the copy is stored for, and to the names that were found nowhere. */
  #sendCopy(
    push: PushEnvelope,
    ignoring: NodeId | undefined,
  ): Promise<{ nodes: readonly NodeId[]; missed: readonly string[] }> {
    const target = targetOf(push.to)
    // Invariant R11: a copy that was forwarded this often goes round in circles.
    if (target === undefined || push.hops >= MAX_HOPS) {
      this.#init.onUndelivered(push)
      return Promise.resolve({ nodes: [], missed: [] })
    }
    const copy = { ...push, hops: push.hops + 1 }
    // Invariant R5: a copy keeps the stamps of the first lookup, whatever this lookup finds.
    const make = (to: Recipients): PushEnvelope => ({ ...copy, to: withStampsOf(to, push.to) })
    return new Promise((resolve, reject) => {
      const done: Dispatch['done'] = (_, missed, stored) => resolve({ nodes: stored.map(({ node }) => node), missed })
      this.dispatch({ target, make, ignoring, done, failed: reject })
    })
  }

  /** Resolves once every dispatch under way is stored or has failed. Each takes a bounded time, by `storeWait`. */
  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#whenIdle.push(resolve))
  }

  async #sendElsewhere(node: NodeId, push: PushEnvelope): Promise<readonly string[]> {
    await this.#init.locator.departure(node)
    // A first copy's receipt names who is offline. Nobody is told that of a later copy, so it is parked.
    if (!push.resent) return (await this.#sendCopy({ ...push, resent: true }, node)).missed
    await this.resend(push, node)
    return []
  }

  #ended(): void {
    this.#underWay--
    if (this.#underWay > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

function isLocatable(dispatch: Dispatch<ParsedTarget>): dispatch is Dispatch {
  return dispatch.target.type !== 'all'
}
