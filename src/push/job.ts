import type { Address, Envelope, PushEnvelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import type { Outcome, Settler } from './lane.ts'
import type { LocatableTarget, Question } from './locator.ts'
import type { Share, Shares } from './shares.ts'

/** Brings a job's envelopes to their nodes. */
export interface Courier {
  /** Lets the job know by `settle`. */
  send(node: NodeId, envelope: Envelope, job: Job): void
  /** The node has no inbox any more: sends its share after its users, and lets the job know by `miss` or `settle`. */
  sendElsewhere(node: NodeId, push: PushEnvelope, job: Job): void
  /** The job has come to its end. */
  ended(): void
}

/** What is to be sent to a target, and who waits for it. */
export interface Order<Target = LocatableTarget> {
  readonly target: Target
  /** Nodes that have it from an earlier attempt. */
  readonly skip?: readonly NodeId[] | undefined
  /** A node that is known not to have the target. */
  readonly ignoring?: NodeId | undefined
  /** Makes what one node, or everyone, is sent. */
  make(to: Address): Envelope
  /** It is stored for so many nodes; who was nowhere; and, unless it was for everyone, which nodes have what. */
  done(nodeCount: number, offline: readonly string[], stored: readonly Share[]): void
  failed(error: unknown): void
}

const NONE: readonly never[] = Object.freeze([])

/** One push under way to several nodes: done when the last of them has it, or cannot have it. */
export class Job implements Question, Settler {
  readonly #courier: Courier
  readonly #order: Order
  #shares: readonly Share[] = NONE
  #offline: readonly string[] = NONE
  #left = 0
  #trouble: Trouble | undefined

  constructor(courier: Courier, order: Order) {
    this.#courier = courier
    this.#order = order
  }

  get target(): LocatableTarget {
    return this.#order.target
  }

  get ignoring(): NodeId | undefined {
    return this.#order.ignoring
  }

  answered({ shares, offline }: Shares): void {
    this.#shares = shares
    this.#offline = offline
    this.#left = shares.length
    if (shares.length === 0) this.#finish()
    const { skip } = this.#order
    for (const { node, to } of shares) {
      if (skip?.includes(node) === true) this.#countDown()
      else this.#courier.send(node, this.#order.make(to), this)
    }
  }

  failed(error: unknown): void {
    this.#order.failed(error)
    this.#courier.ended()
  }

  settle(outcome: Outcome, node: NodeId, envelope: Envelope): void {
    if (outcome.type === 'stored') return this.#countDown()
    this.#trouble ??= new Trouble()
    if (outcome.type !== 'closed') {
      this.#trouble.refuse(node, outcome)
      return this.#countDown()
    }
    this.#trouble.closed.push(node)
    if (envelope.type === 'push') this.#courier.sendElsewhere(node, envelope, this)
    // An order dies with the connections that it was for.
    else this.#countDown()
  }

  /** A node was gone, and these of its users were found nowhere else. */
  miss(keys: readonly string[]): void {
    for (const key of keys) this.#trouble?.missed.push(key)
    this.#countDown()
  }

  #countDown(): void {
    this.#left--
    if (this.#left === 0) this.#finish()
  }

  #finish(): void {
    const trouble = this.#trouble
    if (trouble === undefined) this.#order.done(this.#shares.length, this.#offline, this.#shares)
    else this.#finishIn(trouble)
    this.#courier.ended()
  }

  #finishIn(trouble: Trouble): void {
    const stored = this.#shares.filter(({ node }) => !trouble.concerns(node))
    const offline = [...this.#offline, ...trouble.nowhere(this.#shares)]
    if (trouble.refused.length === 0) this.#order.done(stored.length, offline, stored)
    else this.#order.failed(trouble.describe(stored.map(({ node }) => node)))
  }
}

/** What went wrong with some of a job's nodes: rarely anything. */
class Trouble {
  /** Nodes that did not take their share. */
  readonly refused: NodeId[] = []
  /** Nodes that had no inbox any more. */
  readonly closed: NodeId[] = []
  /** Who was to be on one of those, and was found nowhere else. */
  readonly missed: string[] = []
  #failure: unknown
  #isFull = false

  concerns(node: NodeId): boolean {
    return this.refused.includes(node) || this.closed.includes(node)
  }

  refuse(node: NodeId, outcome: Outcome): void {
    this.refused.push(node)
    if (outcome.type === 'failed') this.#failure ??= outcome.error
    if (outcome.type === 'full') this.#isFull = true
  }

  /** Those who were missed on every node that was to host them. */
  nowhere(shares: readonly Share[]): readonly string[] {
    if (this.missed.length === 0) return NONE
    const hosts = new Map<string, number>()
    for (const { to } of shares) for (const key of keysOf(to)) hosts.set(key, (hosts.get(key) ?? 0) + 1)
    for (const key of this.missed) hosts.set(key, (hosts.get(key) ?? 0) - 1)
    return [...new Set(this.missed)].filter((key) => hosts.get(key) === 0)
  }

  describe(stored: readonly NodeId[]): FlotillaError {
    const { refused } = this
    const details = { stored, refused }
    const done = `stored for ${stored.length}, refused by ${refused.length} nodes`
    if (this.#failure === undefined && this.#isFull) {
      const message = `an inbox is full (${done}): its node is too slow; try again with the same id`
      return new FlotillaError('FLT_INBOX_FULL', message, { details })
    }
    if (this.#failure === undefined) {
      const message = `an inbox is further behind than maxLag (${done}): its node is too slow; try again with the same id`
      return new FlotillaError('FLT_INBOX_BEHIND', message, { details })
    }
    const why = isFlotillaError(this.#failure) ? this.#failure.message : 'the store did not take the push everywhere'
    const message = `${why} (${done}): try again with the same id`
    return new FlotillaError('FLT_STORE_AWAY', message, { details, cause: this.#failure })
  }
}

/** What an address is called in a receipt: a group that nobody is in is empty, not offline. */
function keysOf(to: Address): readonly string[] {
  if (to.type === 'users') return to.users.map(({ uid }) => uid)
  return to.type === 'connections' ? to.connections : []
}
