import { FlotillaError } from '../errors.ts'
import { compose, type Handler, type Middleware } from './compose.ts'
import type { HandshakeContext } from './contexts.ts'
import { refuse } from './refuse.ts'

/**
 * The handshake's onion, which fails closed: only a context that got through to the hook, and was not refused by it, is
 * let in, whatever the middleware does with what it catches or gets back.
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

/** At once for what is no promise: most hooks have nothing to wait for, and need no deadline then. */
function whenSettled<T>(value: unknown, next: (value: unknown) => T): T | Promise<T> {
  return isThenable(value) ? Promise.resolve(value).then(next) : next(value)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined)?.then === 'function'
}

/** Not `instanceof`: packages such as @hono/node-server put a `Response` of their own in the global's place. */
function isResponse(value: unknown): value is Response {
  return Object.prototype.toString.call(value) === '[object Response]'
}

function notAdmitted(): FlotillaError {
  return new FlotillaError('FLT_FORBIDDEN', 'the handshake was not let in')
}

function badOutcome(outcome: unknown): FlotillaError {
  const message = `a handshake hook or middleware returned a ${typeof outcome}: return a Response to refuse, or nothing`
  return new FlotillaError('FLT_BAD_MODULE', message)
}
