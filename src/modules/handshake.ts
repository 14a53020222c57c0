import { FlotillaError } from '../errors.ts'
import { compose, type Handler, type Middleware } from './compose.ts'
import type { HandshakeContext } from './contexts.ts'
import { refuse } from './refuse.ts'

/**
 * Wraps the handshake hook in its middleware. The result fails closed: a connection is accepted only if its context
 * reached the hook and the hook did not refuse it, whatever the middleware catches or returns.
 */
export function composeHandshake(
  middleware: readonly Middleware<HandshakeContext>[],
  hook: Handler<HandshakeContext> | undefined,
): (ctx: HandshakeContext) => Response | undefined | Promise<Response | undefined> {
  const admitted = new WeakSet<HandshakeContext>()
  const run = compose(middleware, (ctx) =>
    whenSettled(hook?.(ctx), (outcome) => {
      if (outcome === undefined) admitted.add(ctx)
      return outcome
    }),
  )
  return (ctx) =>
    whenSettled(run(ctx), (outcome) => {
      if (isResponse(outcome)) return outcome
      if (outcome !== undefined) throw badOutcome(outcome)
      return admitted.has(ctx) ? undefined : refuse(notAdmitted())
    })
}

/** Calls `next` at once if the value is not a promise: most hooks are synchronous, and then need no deadline. */
function whenSettled<T>(value: unknown, next: (value: unknown) => T): T | Promise<T> {
  return isThenable(value) ? Promise.resolve(value).then(next) : next(value)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined)?.then === 'function'
}

/** Does not use `instanceof`, because packages such as @hono/node-server replace the global `Response` by their own. */
function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

function notAdmitted(): FlotillaError {
  return new FlotillaError('FLT_FORBIDDEN', 'the handshake was refused')
}

function badOutcome(outcome: unknown): FlotillaError {
  const message = `a handshake hook or middleware returned a ${typeof outcome}: return a Response to refuse, or nothing`
  return new FlotillaError('FLT_BAD_MODULE', message)
}
