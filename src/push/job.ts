import type { Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { Outcome, OutcomeListener } from './appender.ts'
import type { Dispatch } from './dispatch.ts'
import type { Split } from './lookup-answers.ts'
import type { Sending } from './sending.ts'
import { Trouble } from './trouble.ts'

const NOWHERE: Split = Object.freeze({ shares: [], offline: [] })

/** One dispatch on its way to several nodes. It is done when each of them has stored or refused its share. */
export class Job implements OutcomeListener {
  readonly dispatch: Dispatch
  readonly #sending: Sending
  #split = NOWHERE
  #openCount = 0
  #trouble: Trouble | undefined

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
  begin(): void {
    const { reservation } = this.dispatch
    if (!this.#start(reservation?.isDenied === true ? NOWHERE : this.#split)) return
    for (const { node, to } of this.#split.shares) {
      // Invariant I2: an earlier attempt has reached this node.
      if (reservation?.stored.includes(node) === true) this.#countDown()
      else this.#sending.nodes.send(node, this.dispatch.make(to), this)
    }
  }

  /** Called when one call has looked up the target and appended: all nodes except `self` have their share. */
  appended(split: Split, self: NodeId | undefined): void {
    if (!this.#start(split)) return
    for (const { node, to } of split.shares) {
      if (node === self) this.#sending.nodes.deliverHere(node, this.dispatch.make(to), this)
      else this.#countDown()
    }
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
    if (this.#openCount === 0) this.#finish()
    return split.shares.length > 0
  }

  #countDown(): void {
    this.#openCount--
    if (this.#openCount === 0) this.#finish()
  }

  #finish(): void {
    const { shares, offline } = this.#split
    if (this.#trouble === undefined) this.dispatch.done(shares.length, offline, shares)
    else this.#finishIn(this.#trouble)
    this.#sending.ended()
  }

  #finishIn(trouble: Trouble): void {
    const { shares } = this.#split
    const stored = shares.filter(({ node }) => !trouble.concerns(node))
    const offline = [...this.#split.offline, ...trouble.nowhere(shares)]
    if (trouble.refused.length === 0) this.dispatch.done(stored.length, offline, stored)
    else this.dispatch.failed(trouble.describe(stored.map(({ node }) => node)))
  }
}
