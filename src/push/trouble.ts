import type { NodeId } from '../envelope/ids.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import type { Outcome } from './appender.ts'
import type { Share } from './lookup-answers.ts'
import { receiptNamesOf } from './targets.ts'

const NONE: readonly never[] = Object.freeze([])

/** The failures that a job met with some of its nodes. Few jobs meet any. */
export class Trouble {
  /** Nodes that did not take their share. */
  readonly refused: NodeId[] = []
  /** Nodes that have no inbox any more. */
  readonly closed: NodeId[] = []
  /** Names that the lookup found on a node without an inbox, and that were found nowhere else. */
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

  /** Names that were missed on every node on which the lookup had found them. */
  nowhere(shares: readonly Share[]): readonly string[] {
    if (this.missed.length === 0) return NONE
    const hosts = new Map<string, number>()
    for (const { to } of shares) for (const name of receiptNamesOf(to)) hosts.set(name, (hosts.get(name) ?? 0) + 1)
    for (const name of this.missed) hosts.set(name, (hosts.get(name) ?? 0) - 1)
    return [...new Set(this.missed)].filter((name) => hosts.get(name) === 0)
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
