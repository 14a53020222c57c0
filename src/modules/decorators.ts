import { FlotillaError } from '../errors.ts'
import type { Parser } from '../wire/parsers.ts'
import type { Middleware } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import type { Reply } from './define-module.ts'
import { type HookName, type Mark, markMethod } from './marks.ts'
import type { Middlewares } from './middlewares.ts'
import type { Schema } from './schema.ts'

/** Decorates a method, as a standard (TC39) decorator or under `experimentalDecorators`. */
export interface MethodDecorator<F extends (...args: never[]) => unknown> {
  (value: F, context: ClassMethodDecoratorContext): void
  (prototype: object, name: string | symbol, descriptor: { readonly value?: F }): void
}

/** Decorates a class, likewise. */
export interface ClassDecorator {
  (value: abstract new (...args: never[]) => object, context?: ClassDecoratorContext): void
}

export interface ModuleOptions {
  /** Classes with `@WsController`, or instances of them. */
  controllers?: readonly (object | (new (...args: never[]) => object))[]
  /** `json` where not given, `raw` with `@OnMessage`. */
  parser?: Parser
  middleware?: Middlewares
  /** Messages of one connection that are handled at once. Default 1: one after another. */
  concurrency?: number
}

export interface ControllerOptions {
  middleware?: readonly Middleware<MessageContext>[]
}

export interface CommandOptions<T> {
  /** Any Standard Schema; what it makes of the data is `ctx.data`. */
  data?: Schema<T>
  middleware?: readonly Middleware<MessageContext>[]
}

const modules = new WeakMap<object, { readonly path: unknown; readonly options: ModuleOptions }>()
const controllers = new WeakMap<object, { readonly prefix: unknown; readonly options: ControllerOptions }>()

/** What lives at a path such as `/chat/:room`. A class that extends a module is a module at the same path. */
export function WsModule(path: string, options: ModuleOptions = {}): ClassDecorator {
  return (value) => void modules.set(value, { path, options })
}

/** Handlers of commands `prefix.command`, or of bare commands where the prefix is empty. */
export function WsController(prefix: string, options: ControllerOptions = {}): ClassDecorator {
  return (value) => void controllers.set(value, { prefix, options })
}

/** Before the 101: refuses by returning a `Response`. */
export function OnHandshake(
  ...none: []
): MethodDecorator<(ctx: HandshakeContext<never>) => void | Response | Promise<void | Response>> {
  return hook('OnHandshake', 'handshake', none)
}

/** After the 101, before the first message. What it throws closes the connection with 1011. */
export function OnOpen(...none: []): MethodDecorator<(ctx: OpenContext<never>) => unknown> {
  return hook('OnOpen', 'open', none)
}

/** Takes every message; a module has either this or commands. What it returns is the reply. */
export function OnMessage(...none: []): MethodDecorator<(ctx: MessageContext<never, never>) => Reply | Promise<Reply>> {
  return hook('OnMessage', 'message', none)
}

/** When the connection has closed, for whatever reason; only for connections that were open. */
export function OnClose(...none: []): MethodDecorator<(ctx: CloseContext<never>) => unknown> {
  return hook('OnClose', 'close', none)
}

/** Handles one command of a controller. What it returns is the reply. */
export function MessageMapping<T = never>(
  command: string,
  options: CommandOptions<T> = {},
): MethodDecorator<(ctx: MessageContext<T, never>) => Reply | Promise<Reply>> {
  return markMethod('MessageMapping', (method): Mark => ({ type: 'command', command, options, method }))
}

/** @internal Looked up along the chain of classes. */
export function moduleOf(type: unknown): { readonly path: unknown; readonly options: ModuleOptions } | undefined {
  return lookUp(modules, type)
}

/** @internal */
export function controllerOf(
  type: unknown,
): { readonly prefix: unknown; readonly options: ControllerOptions } | undefined {
  return lookUp(controllers, type)
}

function hook(name: string, hookName: HookName, args: readonly unknown[]): ReturnType<typeof markMethod> {
  if (args.length > 0) throw new FlotillaError('FLT_BAD_MODULE', `@${name} needs its parentheses: @${name}()`)
  return markMethod(name, (method) => ({ type: 'hook', hook: hookName, method }))
}

function lookUp<V>(values: WeakMap<object, V>, type: unknown): V | undefined {
  for (let current = type; typeof current === 'function'; current = Object.getPrototypeOf(current)) {
    const value = values.get(current)
    if (value !== undefined) return value
  }
  return undefined
}
