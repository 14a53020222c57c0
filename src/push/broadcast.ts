import type { ParsedTarget } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import type { Outcome, OutcomeListener } from './appender.ts'
import type { Dispatch } from './dispatch.ts'
import type { Sending } from './sending.ts'

/** One dispatch to everyone. It takes one append, however many nodes read it. */
export class Broadcast implements OutcomeListener {
  readonly dispatch: Dispatch<ParsedTarget>
  readonly #sending: Sending

  constructor(sending: Sending, dispatch: Dispatch<ParsedTarget>) {
    this.#sending = sending
    this.dispatch = dispatch
  }

  begin(): undefined {
    if (this.dispatch.reservation?.isDenied === true) this.settle({ type: 'stored', nodeCount: 0 })
    else this.#sending.nodes.sendToAll(this.dispatch.make({ type: 'all' }), this)
  }

  settle(outcome: Outcome): void {
    if (outcome.type === 'stored') this.dispatch.done(outcome.nodeCount, [], [])
    else if (outcome.type === 'failed') this.dispatch.failed(outcome.error)
    else this.dispatch.failed(refused(outcome.type === 'behind'))
    this.#sending.ended()
  }
}

function refused(isBehind: boolean): FlotillaError {
  if (isBehind)
    return new FlotillaError('FLT_INBOX_BEHIND', 'a node is further behind with broadcasts than maxLag: try again')
  return new FlotillaError('FLT_INBOX_FULL', 'the broadcast stream is full because a node reads too slowly: try again')
}
