import type { PushEnvelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { NodeSender } from './node-sender.ts'
import type { Turns } from './turns.ts'

/** Everything that the dispatches of one dispatcher share while they are under way. */
export interface Sending {
  readonly nodes: NodeSender
  readonly turns: Turns
  /** A node has no inbox any more: sends its share after its users. Resolves to the names that were found nowhere. */
  sendElsewhere(node: NodeId, push: PushEnvelope): Promise<readonly string[]>
  /** A dispatch has come to its end. */
  ended(): void
}
