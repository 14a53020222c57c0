import type { UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { Held } from './holder.ts'
import { namesOf } from './targets.ts'
import type { Unsettled } from './turns.ts'

/** The part of a push with `hold` that is for users who are nowhere. Few jobs have one. */
export class HeldPart implements Unsettled {
  readonly names: readonly string[]
  readonly settled: Promise<void>
  readonly nodes = new Set<NodeId>()
  readonly offline: Uid[] = []
  readonly held: Uid[] = []
  failure: { readonly error: unknown } | undefined

  constructor(users: readonly UserRef[], holding: Promise<Held>) {
    this.names = namesOf({ type: 'users', uids: users.map(({ uid }) => uid) })
    this.settled = this.add(holding)
  }

  /** Resolves once the outcome is noted, also if it is a failure. */
  add(holding: Promise<Held>): Promise<void> {
    return holding.then(
      ({ nodes, offline, held }) => {
        for (const node of nodes) this.nodes.add(node)
        for (const uid of offline) this.offline.push(uid)
        for (const uid of held) this.held.push(uid)
      },
      (error: unknown) => void (this.failure ??= { error }),
    )
  }
}
