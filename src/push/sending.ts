import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { Held } from './holder.ts'
import type { NodeSender } from './node-sender.ts'
import type { Turns } from './turns.ts'

/** Everything that the dispatches of one dispatcher share while they are under way. */
export interface Sending {
  readonly nodes: NodeSender
  readonly turns: Turns
  /** A node has no inbox any more: sends its share after its users. Resolves to the names that were found nowhere. */
  sendElsewhere(node: NodeId, push: PushEnvelope): Promise<readonly string[]>
  /** Parks a push for users whom its lookup found nowhere, or sends it after them. */
  hold(push: PushEnvelope, users: readonly UserRef[], keepFor: number): Promise<Held>
  /** A dispatch has come to its end. */
  ended(): void
}
