import type { Context, Hono } from 'hono'
import { z } from 'zod'
import { answerBadMethod } from './api-error.ts'
import type { Env } from './api-guard.ts'
import { parseInput } from './api-input.ts'
import { type Method, type Operation, queryPathOf } from './api-operations.ts'
import { queryOf } from './api-read.ts'

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T

type Handler<Asked, Answer> = (asked: Asked, c: Context<Env>) => Promise<Frozen<Answer>>

/** Routes operations: checks names and query by their schemas, and refuses methods that a path does not have. */
export class ApiRouter {
  readonly #app: Hono<Env>
  readonly #methods = new Map<string, Method[]>()

  constructor(app: Hono<Env>) {
    this.#app = app
  }

  add<Names extends z.ZodObject, Query extends z.ZodObject, Answer extends z.ZodType<object>>(
    operation: Operation<Names, Query, Answer>,
    handler: Handler<z.output<Names> & z.output<Query>, z.output<Answer>>,
  ): void {
    const { method, names, query } = operation
    type Asked = z.output<Names> & z.output<Query>
    const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const hasQuery = Object.keys(query.shape).length > 0
    this.#route(method, path, (c) => handler({ ...c.req.param(), ...(hasQuery && parseQuery(query, c)) } as Asked, c))
    const queryPath = queryPathOf(operation)
    if (queryPath === undefined) return
    const both = z.strictObject({ ...names.shape, ...query.shape })
    this.#route(method, queryPath, (c) => handler(parseQuery(both, c) as Asked, c))
  }

  /** Answers 405, with the methods that the path has, to all others. Call it after all operations were added. */
  refuseOthers(): void {
    for (const [path, methods] of this.#methods) {
      this.#app.all(path, (c) => answerBadMethod(c, methods))
    }
  }

  #route(method: Method, path: string, answer: (c: Context<Env>) => Promise<object>): void {
    this.#methods.set(path, [...(this.#methods.get(path) ?? []), method])
    this.#app.on(method, path, async (c) => c.json(await answer(c)))
  }
}

function parseQuery(schema: z.ZodObject, c: Context<Env>): Record<string, unknown> {
  return parseInput(schema, queryOf(c), 'the query')
}
