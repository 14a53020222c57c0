import { RequestError } from '../wire/request-error.ts'
import type { Handler } from './compose.ts'
import type { MessageContext } from './contexts.ts'

/**
 * Wraps a handler so that it does not start if the server disconnected the client while a middleware or a schema was
 * awaited. It throws instead, so that the middleware around it does not count the message as handled.
 */
export function unlessExpelled(run: Handler<MessageContext>): Handler<MessageContext> {
  return (ctx) => {
    if (ctx.connection.isExpelled)
      throw new RequestError('FLT_CLOSED', 'the client was disconnected before its handler ran')
    return run(ctx)
  }
}
