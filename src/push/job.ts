import { FlotillaError } from '../errors.ts'
import type { Address } from '../protocol/envelope.ts'
import type { NodeId } from '../protocol/ids.ts'
import type { Outcome } from './lane.ts'
import type { Shares } from './shares.ts'

/** What a push came to, once it is stored everywhere. */
export interface Dispatched {
  /** Those it was stored for; empty for a broadcast, which counts alone. */
  readonly nodes: readonly NodeId[]
  readonly nodeCount: number
  readonly offline: readonly string[]
}

/** One push under way to several nodes: done when the last of them has it, or cannot have it. */
export class Job {
  readonly #stored: NodeId[]
  readonly #refused: NodeId[] = []
  readonly #byNode: Shares['byNode']
  readonly #offline: Set<string>
  readonly #skip: ReadonlySet<NodeId>
  readonly #resolve: (dispatched: Dispatched) => void
  readonly #reject: (error: unknown) => void
  /** How often a user was missed on a node that had died; usually nobody was. */
  readonly #missed = new Map<string, number>()
  #failure: unknown
  #left = 0

  constructor(
    shares: Shares,
    skip: readonly NodeId[],
    resolve: (dispatched: Dispatched) => void,
    reject: (error: unknown) => void,
  ) {
    this.#byNode = shares.byNode
    this.#offline = new Set(shares.offline)
    this.#skip = new Set(skip)
    this.#stored = [...shares.byNode.keys()].filter((node) => this.#skip.has(node))
    this.#resolve = resolve
    this.#reject = reject
  }

  start(send: (node: NodeId, to: Address) => void): void {
    const due = [...this.#byNode].filter(([node]) => !this.#skip.has(node))
    this.#left = due.length
    if (this.#left === 0) this.#finish()
    for (const [node, to] of due) send(node, to)
  }

  settle(node: NodeId, outcome: Outcome): void {
    if (outcome.type === 'stored') this.#stored.push(node)
    else if (outcome.type !== 'closed') this.#refused.push(node)
    if (outcome.type === 'failed') this.#failure ??= outcome.error
    this.#countDown()
  }

  /** A node was gone, and these of its users were found nowhere else. */
  miss(keys: readonly string[]): void {
    for (const key of keys) {
      const missed = (this.#missed.get(key) ?? 0) + 1
      this.#missed.set(key, missed)
      if (missed === this.#hostsOf(key)) this.#offline.add(key)
    }
    this.#countDown()
  }

  #countDown(): void {
    this.#left--
    if (this.#left === 0) this.#finish()
  }

  #finish(): void {
    if (this.#refused.length > 0) {
      this.#reject(this.#refusal())
      return
    }
    this.#resolve({ nodes: this.#stored, nodeCount: this.#stored.length, offline: [...this.#offline] })
  }

  #refusal(): FlotillaError {
    const details = { stored: this.#stored, refused: this.#refused }
    const done = `stored for ${this.#stored.length}, refused by ${this.#refused.length} nodes`
    if (this.#failure === undefined) {
      const message = `an inbox is full (${done}): its node is too slow; try again with the same id`
      return new FlotillaError('FLT_INBOX_FULL', message, { details })
    }
    const message = `the store did not take the push everywhere (${done}): try again with the same id`
    return new FlotillaError('FLT_STORE_AWAY', message, { details, cause: this.#failure })
  }

  #hostsOf(key: string): number {
    return [...this.#byNode.values()].filter((to) => to.type === 'users' && to.users.some(({ uid }) => uid === key))
      .length
  }
}
