import type { Middleware } from './compose.ts'
import type { HandshakeContext, MessageContext, OpenContext } from './contexts.ts'

/** Middleware for each kind of hook, the first of a list outermost. The server's runs around a module's. */
export interface Middlewares {
  /** Refuses by returning a `Response`. If it neither returns one nor calls `next()`, the answer is 403. */
  handshake?: readonly Middleware<HandshakeContext>[] | undefined
  open?: readonly Middleware<OpenContext>[] | undefined
  /** It may return a value, which then replaces the reply. */
  message?: readonly Middleware<MessageContext>[] | undefined
}
