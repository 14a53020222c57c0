import { FlotillaError } from '../errors.ts'

/**
 * One layer around a handler. `next()` runs the layers inside this one, then the handler, and resolves to their result.
 * If the middleware returns a value, that replaces the result; if it returns `undefined`, the result is kept. If it
 * never calls `next()`, nothing inside it runs.
 */
export type Middleware<C> = (ctx: C, next: () => Promise<unknown>) => unknown
export type Handler<C> = (ctx: C) => unknown

/** Wraps a handler in middleware, the first outermost. Without middleware it returns the handler itself. */
export function compose<C>(middleware: readonly Middleware<C>[], handler: Handler<C>): Handler<C> {
  return middleware.reduceRight<Handler<C>>((inner, layer) => wrap(layer, inner), handler)
}

function wrap<C>(layer: Middleware<C>, inner: Handler<C>): Handler<C> {
  return async (ctx) => {
    const core = new Core(inner, ctx)
    const own = await layer(ctx, core.next)
    const result = await core.settled()
    return own === undefined ? result : own
  }
}

/** One call of everything inside a layer. */
class Core<C> {
  readonly #inner: Handler<C>
  readonly #ctx: C
  #running: Promise<unknown> | undefined
  #done = false
  #result: unknown

  constructor(inner: Handler<C>, ctx: C) {
    this.#inner = inner
    this.#ctx = ctx
  }

  readonly next = (): Promise<unknown> => {
    // This throws rather than rejects: a layer that does not await next() would leave a rejection that nobody handles.
    if (this.#running !== undefined) throw new FlotillaError('FLT_BAD_MODULE', 'a middleware called next() twice')
    this.#running = this.#run()
    this.#running.catch(() => {})
    return this.#running
  }

  /** Makes a layer that did not await next() still end after everything inside it, and fail if that fails. */
  async settled(): Promise<unknown> {
    if (this.#running !== undefined && !this.#done) await this.#running
    return this.#result
  }

  async #run(): Promise<unknown> {
    try {
      return (this.#result = await this.#inner(this.#ctx))
    } finally {
      this.#done = true
    }
  }
}
