import type { Message } from '../api.ts'
import type { Parser } from '../wire/parsers.ts'
import type { Middleware } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import type { Middlewares } from './middlewares.ts'
import type { Schema } from './schema.ts'

/** What a handler returns: the reply, or nothing. */
export type Reply = Message | void

/** What `defineModule` returns, for `createServer({ modules })`. */
export interface ModuleDefinition {
  readonly path: string
}

export interface CommandDefinition<T, P extends string> {
  /** Any Standard Schema; what it makes of the data is `ctx.data`. */
  data?: Schema<T>
  middleware?: readonly Middleware<MessageContext>[]
  run(ctx: MessageContext<T, P>): Reply | Promise<Reply>
}

export interface ModuleHooks<P extends string, C> {
  /** Messages of one connection that are handled at once. Default 1: one after another. */
  concurrency?: number
  /** `json` where not given, `raw` with a `message` hook. */
  parser?: Parser
  middleware?: Middlewares
  /** Refuses by returning a `Response`. */
  handshake?(ctx: HandshakeContext<P>): void | Response | Promise<void | Response>
  open?(ctx: OpenContext<P>): unknown
  /** Takes every message; a module has either this or `commands`. */
  message?(ctx: MessageContext<unknown, P>): Reply | Promise<Reply>
  close?(ctx: CloseContext<P>): unknown
  commands?: { [K in keyof C]: CommandDefinition<C[K], P> }
}

/** A module without decorators: `defineModule('/chat/:room', { open: (ctx) => ctx.join(ctx.params.room) })`. */
export function defineModule<const P extends string, C>(path: P, hooks: ModuleHooks<P, C>): ModuleDefinition {
  return new PlainModule(path, hooks)
}

/** @internal The hooks are checked when a server is made of them. */
export class PlainModule implements ModuleDefinition {
  readonly path: string
  readonly #hooks: unknown

  constructor(path: string, hooks: unknown) {
    this.path = path
    this.#hooks = hooks
  }

  static hooksOf(module: PlainModule): unknown {
    return module.#hooks
  }
}
