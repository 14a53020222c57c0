import type { Envelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { Outcome, OutcomeListener } from './appender.ts'
import type { Dispatch } from './dispatch.ts'
import { HeldPart } from './held-part.ts'
import { notHeld } from './holder.ts'
import type { Share, Split } from './lookup-answers.ts'
import type { Sending } from './sending.ts'
import { Trouble } from './trouble.ts'
import type { Unsettled } from './turns.ts'

const NOWHERE: Split = Object.freeze({ shares: [], offline: [] })

/** One dispatch on its way to several nodes. It is done when each of them has stored or refused its share. */
export class Job implements OutcomeListener {
  readonly dispatch: Dispatch
  readonly #sending: Sending
  #split = NOWHERE
  #openCount = 0
  #trouble: Trouble | undefined
  #heldPart: HeldPart | undefined
  #isLostHeld = false

  constructor(sending: Sending, dispatch: Dispatch) {
    this.#sending = sending
    this.dispatch = dispatch
  }

  /** Called when the target was looked up. The job is sent when its turn has come. */
  located(split: Split): void {
    this.#split = split
    this.#sending.turns.take(this)
  }

  /** Called when the job's turn has come and its reservation, if it has one, is answered. */
  begin(): Unsettled | undefined {
    const { reservation } = this.dispatch
    if (!this.#start(reservation?.isDenied === true ? NOWHERE : this.#split)) return this.#heldPart
    for (const { node, to } of this.#split.shares) {
      // Invariant I2: an earlier attempt has reached this node.
      if (reservation?.stored.includes(node) === true) this.#countDown()
      else this.#sending.nodes.send(node, this.dispatch.make(to), this)
    }
    return this.#heldPart
  }

  /** Called when one call has looked up the target and appended: all nodes except `self` have their share. */
  appended(split: Split, self: NodeId | undefined): Unsettled | undefined {
    if (!this.#start(split)) return this.#heldPart
    for (const { node, to } of split.shares) {
      if (node === self) this.#sending.nodes.deliverHere(node, this.dispatch.make(to), this)
      else this.#countDown()
    }
    return this.#heldPart
  }

  failed(error: unknown): void {
    this.dispatch.failed(error)
    this.#sending.ended()
  }

  settle(outcome: Outcome, node: NodeId, envelope: Envelope): void {
    if (outcome.type === 'stored') return this.#countDown()
    this.#trouble ??= new Trouble()
    if (outcome.type !== 'closed') {
      this.#trouble.refuse(node, outcome)
      return this.#countDown()
    }
    this.#trouble.closed.push(node)
    // Invariant R12: a control dies with the connections that it was for.
    if (envelope.type !== 'push') return this.#countDown()
    this.#sending.sendElsewhere(node, envelope).then(
      (missed) => this.#miss(missed),
      (error: unknown) => this.settle({ type: 'failed', error }, node, envelope),
    )
  }

  /** A node is gone, and these of its users were found nowhere else, so they are reported as offline. */
  #miss(names: readonly string[]): void {
    for (const name of names) this.#trouble?.missed.push(name)
    this.#countDown()
  }

  /** Returns false if there is nobody to send to. */
  #start(split: Split): boolean {
    this.#split = split
    this.#openCount = split.shares.length
    if (split.away !== undefined && split.away.length > 0) this.#hold(split.away)
    if (this.#openCount === 0) this.#finish()
    return split.shares.length > 0
  }

  /** Keeps the push for these users, who are nowhere. That is one more part of this job. */
  #hold(users: readonly UserRef[]): void {
    const { dispatch } = this
    const push = dispatch.make({ type: 'users', users })
    if (push.type !== 'push' || dispatch.hold === undefined) return
    this.#openCount++
    const holding = this.#sending.hold(push, users, dispatch.hold)
    const noted = this.#heldPart?.add(holding) ?? (this.#heldPart = new HeldPart(users, holding)).settled
    void noted.then(() => this.#countDown())
  }

  #countDown(): void {
    this.#openCount--
    if (this.#openCount === 0) this.#finish()
  }

  #finish(): void {
    const { shares, offline } = this.#split
    if (this.#heldPart === undefined && this.#trouble === undefined) {
      this.dispatch.done(shares.length, offline, shares)
    } else if (!this.#finishInPart(this.#trouble ?? new Trouble())) {
      return
    }
    this.#sending.ended()
  }

  /** Returns false if the push is held first for users who were on a node that is gone. */
  #finishInPart(trouble: Trouble): boolean {
    const { dispatch } = this
    const { shares } = this.#split
    const lost = this.#isLostHeld ? [] : trouble.nowhere(shares)
    if (lost.length > 0 && dispatch.hold !== undefined) {
      this.#isLostHeld = true
      this.#hold(usersNamed(lost, shares))
      return false
    }
    const stored = shares.filter(({ node }) => !trouble.concerns(node))
    const nodes = stored.map(({ node }) => node)
    const { failure, offline, held } = this.#heldPart ?? { offline: [...this.#split.offline, ...lost] }
    if (failure !== undefined) dispatch.failed(notHeld(failure.error))
    else if (trouble.refused.length > 0) dispatch.failed(trouble.describe(nodes))
    else dispatch.done(new Set([...nodes, ...(this.#heldPart?.nodes ?? [])]).size, offline, stored, held)
    return true
  }
}

/** The users of these names, with the stamps by which they were looked up. */
function usersNamed(names: readonly string[], shares: readonly Share[]): readonly UserRef[] {
  const users = new Map(
    shares.flatMap(({ to }) => (to.type === 'users' ? to.users.map((user) => [user.uid, user]) : [])),
  )
  return names.flatMap((name) => users.get(name as Uid) ?? [])
}
