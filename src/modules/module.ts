import type { Cluster, Connection } from '../api.ts'
import { FlotillaError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { type Blueprint, checkDraft, checkMiddlewares, type Draft } from './blueprint.ts'
import { CommandTable } from './command-table.ts'
import { compose, type Handler } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import { decoratedPathOf, draftOfDecorated, type Resolve } from './decorated-draft.ts'
import { type ModuleDefinition, plainHooksOf } from './define-module.ts'
import { composeHandshake } from './handshake.ts'
import type { Middlewares } from './middlewares.ts'
import { draftOfPlain } from './plain-draft.ts'
import { Responder } from './responder.ts'
import { Router } from './router.ts'
import { unlessExpelled } from './unless-expelled.ts'

export type { Middlewares } from './middlewares.ts'
export type { ModuleDefinition } from './define-module.ts'

/** A class with `@WsModule`. */
export type ModuleClass = new (...args: never[]) => object

/** A module that is ready to be called: every hook and handler is wrapped in its middleware. */
export interface Module {
  readonly path: string
  /** How many messages of one connection may be handled at the same time. */
  readonly concurrency: number
  /**
   * A `Response` refuses the connection. The caller adds `ctx.headers` to it, or to the 101. If a hook throws, this
   * throws or rejects with the same error.
   */
  handshake(ctx: HandshakeContext): Response | undefined | Promise<Response | undefined>
  /** Rejects with the error that a hook or a middleware threw. */
  open(ctx: OpenContext): Promise<void>
  /** Never rejects: a failure is sent to the client and reported to `onError`. */
  message(connection: Connection, raw: string | Uint8Array): Promise<void>
  /** Rejects with the error that the hook threw. */
  close(ctx: CloseContext): Promise<void>
}

export interface CompileOptions {
  readonly modules: readonly (ModuleDefinition | object)[]
  readonly middleware?: Middlewares | undefined
  readonly resolve?: Resolve | undefined
  readonly cluster: Cluster
  readonly log: Logger
  /** MUST NOT throw. */
  onError(report: { readonly phase: 'message'; readonly error: unknown; readonly connection: Connection }): void
}

/** @throws FlotillaError `FLT_BAD_MODULE` if anything is wrong with a module; its message says what to do */
export function compileModules(options: CompileOptions): Module[] {
  const { modules, resolve = construct } = options
  if (!Array.isArray(modules)) throw new FlotillaError('FLT_BAD_MODULE', 'modules must be a list')
  const middleware = checkMiddlewares('the server', options.middleware)
  const compiled = modules.map((entry) => compile(checkDraft(toDraft(entry, resolve)), { ...options, middleware }))
  const router = new Router<Module>()
  for (const module of compiled) router.add(module.path, module)
  return compiled
}

/**
 * The path of a module: of what `defineModule` returned, of a class with `@WsModule`, or of an instance of such a
 * class. `undefined` if the value is none of these.
 */
export function modulePathOf(value: unknown): string | undefined {
  if (!isEntry(value)) return undefined
  const path = isPlain(value) ? value.path : decoratedPathOf(value)
  return typeof path === 'string' ? path : undefined
}

function toDraft(entry: unknown, resolve: Resolve): Draft {
  if (!isEntry(entry))
    throw new FlotillaError(
      'FLT_BAD_MODULE',
      `modules: ${String(entry)} is not a module: write defineModule('/path', { … })`,
    )
  return isPlain(entry) ? draftOfPlain(entry.path, plainHooksOf(entry)?.hooks) : draftOfDecorated(entry, resolve)
}

function isEntry(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function isPlain(entry: object): entry is ModuleDefinition {
  return plainHooksOf(entry) !== undefined
}

function construct(type: new (...args: never[]) => object): object {
  return new type()
}

function compile(blueprint: Blueprint, options: CompileOptions & { readonly middleware: Middlewares }): Module {
  const { path, concurrency, middleware: own, close } = blueprint
  const { middleware: outer } = options
  const open = compose([...(outer.open ?? []), ...(own.open ?? [])], blueprint.open ?? nothing)
  const responder = responderOf(blueprint, options)
  return {
    path,
    concurrency,
    handshake: composeHandshake([...(outer.handshake ?? []), ...(own.handshake ?? [])], blueprint.handshake),
    open: async (ctx) => void (await open(ctx)),
    message: (connection, raw) => responder.respond(connection, raw),
    close: async (ctx) => void (await close?.(ctx)),
  }
}

function responderOf(blueprint: Blueprint, options: CompileOptions): Responder {
  const { path, parser, message, commands, middleware } = blueprint
  const { cluster, log, onError } = options
  const layers = [...(options.middleware?.message ?? []), ...(middleware.message ?? [])]
  const hook: Handler<MessageContext> | undefined = message && compose(layers, unlessExpelled(message))
  return new Responder({
    parser,
    find: hook === undefined ? new CommandTable(path, commands ?? [], layers).find : () => hook,
    quiet: hook === undefined && commands === undefined,
    services: { cluster, log },
    onError: (error, connection) => onError({ phase: 'message', error, connection }),
  })
}

function nothing(): void {}
