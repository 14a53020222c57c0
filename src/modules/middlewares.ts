import type { Middleware } from './compose.ts'
import type { HandshakeContext, MessageContext, OpenContext } from './contexts.ts'

/** Onions around the hooks, the first of each list outermost. The server's lie around a module's. */
export interface Middlewares {
  /** Refuses by returning a `Response`; who neither calls `next()` nor returns one refuses with 403. */
  handshake?: readonly Middleware<HandshakeContext>[]
  open?: readonly Middleware<OpenContext>[]
  /** What it returns is the reply. */
  message?: readonly Middleware<MessageContext>[]
}
