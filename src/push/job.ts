import { FlotillaError } from '../errors.ts'
import type { Address, Envelope, PushEnvelope } from '../protocol/envelope.ts'
import type { NodeId } from '../protocol/ids.ts'
import type { LocatableTarget, Question } from './locator.ts'
import type { Outcome, Settler } from './lane.ts'
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

export interface Order<Target = LocatableTarget> {
  readonly target: Target
  /** Makes what one node, or everyone, is sent. */
  readonly make: (to: Address) => Envelope
  /** It is stored for these nodes, which for a broadcast are only counted; and who was nowhere. */
  readonly done: (nodeCount: number, offline: readonly string[], nodes: readonly NodeId[]) => void
  readonly failed: (error: unknown) => void
  /** Nodes that have it from an earlier attempt. */
  readonly skip?: readonly NodeId[]
  /** A node that is known not to have the target. */
  readonly ignoring?: NodeId | undefined
}

/** One push under way to several nodes: done when the last of them has it, or cannot have it. */
export class Job implements Question, Settler {
  readonly #courier: Courier
  readonly #order: Order
  readonly #stored: NodeId[] = []
  #shares: readonly Share[] = []
  #offline: readonly string[] = []
  #left = 0
  // These three only where something went wrong.
  #refused: NodeId[] | undefined
  #failure: unknown
  #missed: string[] | undefined

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
    const { skip, make } = this.#order
    this.#shares = shares
    this.#offline = offline
    this.#left = shares.length
    if (shares.length === 0) this.#finish()
    for (const { node, to } of shares) {
      if (skip?.includes(node) === true) this.#hasIt(node)
      else this.#courier.send(node, make(to), this)
    }
  }

  failed(error: unknown): void {
    this.#order.failed(error)
    this.#courier.ended()
  }

  settle(outcome: Outcome, node: NodeId, envelope: Envelope): void {
    if (outcome.type === 'stored') this.#hasIt(node)
    else if (outcome.type !== 'closed') this.#lacksIt(node, outcome)
    else if (envelope.type === 'push') this.#courier.sendElsewhere(node, envelope, this)
    // An order dies with the connections that it was for.
    else this.#countDown()
  }

  /** A node was gone, and these of its users were found nowhere else. */
  miss(keys: readonly string[]): void {
    this.#missed ??= []
    for (const key of keys) this.#missed.push(key)
    this.#countDown()
  }

  #hasIt(node: NodeId): void {
    this.#stored.push(node)
    this.#countDown()
  }

  #lacksIt(node: NodeId, outcome: Outcome): void {
    this.#refused ??= []
    this.#refused.push(node)
    if (outcome.type === 'failed') this.#failure ??= outcome.error
    this.#countDown()
  }

  #countDown(): void {
    this.#left--
    if (this.#left === 0) this.#finish()
  }

  #finish(): void {
    if (this.#refused !== undefined) this.#order.failed(this.#refusal(this.#refused))
    else this.#order.done(this.#stored.length, this.#nowhere(), this.#stored)
    this.#courier.ended()
  }

  #refusal(refused: readonly NodeId[]): FlotillaError {
    const details = { stored: this.#stored, refused }
    const done = `stored for ${this.#stored.length}, refused by ${refused.length} nodes`
    if (this.#failure === undefined) {
      const message = `an inbox is full (${done}): its node is too slow; try again with the same id`
      return new FlotillaError('FLT_INBOX_FULL', message, { details })
    }
    const message = `the store did not take the push everywhere (${done}): try again with the same id`
    return new FlotillaError('FLT_STORE_AWAY', message, { details, cause: this.#failure })
  }

  /** Those who were offline from the start, and those who were missed on every node that was to host them. */
  #nowhere(): readonly string[] {
    if (this.#missed === undefined) return this.#offline
    const hosts = new Map<string, number>()
    for (const { to } of this.#shares) for (const key of keysOf(to)) hosts.set(key, (hosts.get(key) ?? 0) + 1)
    for (const key of this.#missed) hosts.set(key, (hosts.get(key) ?? 0) - 1)
    const missed = new Set(this.#missed)
    return [...this.#offline, ...[...missed].filter((key) => hosts.get(key) === 0)]
  }
}

/** What an address is called in a receipt: a group that nobody is in is empty, not offline. */
function keysOf(to: Address): readonly string[] {
  if (to.type === 'users') return to.users.map(({ uid }) => uid)
  return to.type === 'connections' ? to.connections : []
}
