import { FlotillaError } from '../errors.ts'

/**
 * One layer of an onion. What it returns replaces what the layers inside it returned; `undefined` keeps that. Without
 * `next()` nothing inside it runs.
 */
export type Middleware<C> = (ctx: C, next: () => Promise<unknown>) => unknown
export type Handler<C> = (ctx: C) => unknown

/** The first middleware is the outermost. Without any, the handler itself comes back: nothing is paid for nothing. */
export function compose<C>(middleware: readonly Middleware<C>[], handler: Handler<C>): Handler<C> {
  return middleware.reduceRight<Handler<C>>((inner, layer) => wrap(layer, inner), handler)
}

function wrap<C>(layer: Middleware<C>, inner: Handler<C>): Handler<C> {
  return async (ctx) => {
    const core = new Core(inner, ctx)
    const own = await layer(ctx, core.next)
    const kept = await core.settled()
    return own === undefined ? kept : own
  }
}

/** What is inside one layer, for one call. */
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
    // Thrown, not rejected: who forgets to await next() would leave a rejection that nobody handles.
    if (this.#running !== undefined) throw new FlotillaError('FLT_BAD_MODULE', 'a middleware called next() twice')
    this.#running = this.#run()
    this.#running.catch(() => {})
    return this.#running
  }

  /** A layer that did not await next() still ends after what is inside it, and fails with it. */
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
