import { RequestError } from '../wire/request-error.ts'
import type { Handler } from './compose.ts'
import type { MessageContext } from './contexts.ts'

/**
 * The handler, which does not begin if the client was put out while a middleware or a schema was awaited. It throws
 * instead, so that the middleware around it does not take the message for handled.
 */
export function unlessExpelled(run: Handler<MessageContext>): Handler<MessageContext> {
  return (ctx) => {
    if (ctx.connection.isExpelled) throw new RequestError('FLT_CLOSED', 'the client was put out before its message ran')
    return run(ctx)
  }
}
