import type { Message } from '../api.ts'
import type { Method } from '../lib/method.ts'
import { sharedMap } from '../lib/shared-map.ts'
import type { Parser } from '../wire/parsers.ts'
import type { Middleware } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import type { Middlewares } from './middlewares.ts'
import type { Schema } from './schema.ts'

/** The value that a handler returns: the reply, or nothing. */
export type Reply = Message | void

/** The module that `defineModule` returns. Pass it to `createServer({ modules })`. */
export interface ModuleDefinition {
  readonly path: string
}

/** One command of a module. */
export interface CommandDefinition<T, P extends string> {
  /** Any Standard Schema. The value that it returns becomes `ctx.data`. */
  data?: Schema<T> | undefined
  middleware?: readonly Middleware<MessageContext>[] | undefined
  /** Handles the command. It returns the reply. */
  run(ctx: MessageContext<T, P>): Reply | Promise<Reply>
}

/** The hooks, commands and options of a module. */
export interface ModuleHooks<P extends string, C> {
  /** How many messages of one connection may be handled at the same time. Default 1: one after another. */
  concurrency?: number | undefined
  /** Default: `raw` if there is a `message` hook, otherwise `json`. */
  parser?: Parser | undefined
  middleware?: Middlewares | undefined
  /** Runs before the 101. To refuse the connection, it returns a `Response`. */
  handshake?: Method<[ctx: HandshakeContext<P>], void | Response | Promise<void | Response>> | undefined
  /** Runs after the 101 and before the first message. If it throws, the connection closes with 1011. */
  open?: Method<[ctx: OpenContext<P>], unknown> | undefined
  /** Runs for every message. It returns the reply. A module has either this hook or `commands`, not both. */
  message?: Method<[ctx: MessageContext<unknown, P>], Reply | Promise<Reply>> | undefined
  /** Runs when a connection that had opened has closed, for whatever reason. */
  close?: Method<[ctx: CloseContext<P>], unknown> | undefined
  /** The commands by name. */
  commands?: { [K in keyof C]: CommandDefinition<C[K], P> } | undefined
}

/** Defines a module without decorators: `defineModule('/chat/:room', { open: (ctx) => ctx.join(ctx.params.room) })`. */
export function defineModule<const P extends string, C>(path: P, hooks: ModuleHooks<P, C>): ModuleDefinition {
  const module = { path }
  hooksOfModules.set(module, { hooks })
  return module
}

const hooksOfModules = sharedMap<{ readonly hooks: unknown }>('modules')

/** @internal The hooks, unchecked: they are checked when a server is created with the module. */
export function plainHooksOf(module: object): { readonly hooks: unknown } | undefined {
  return hooksOfModules.get(module)
}
