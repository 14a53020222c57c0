import { FlotillaError } from '../errors.ts'
import { sharedMap } from '../lib/shared-map.ts'
import type { Parser } from '../wire/parsers.ts'
import type { Middleware } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import type { Reply } from './define-module.ts'
import { type HookName, type Mark, markMethod } from './marks.ts'
import type { Middlewares } from './middlewares.ts'
import type { Schema } from './schema.ts'

/** A method decorator. It works as a standard (TC39) decorator and under `experimentalDecorators`. */
export interface MethodDecorator<F extends (...args: never[]) => unknown> {
  (value: F, context: ClassMethodDecoratorContext): void
  (prototype: object, name: string | symbol, descriptor: { readonly value?: F }): void
}

/** A class decorator. It works as a standard (TC39) decorator and under `experimentalDecorators`. */
export interface ClassDecorator {
  (value: abstract new (...args: never[]) => object, context?: ClassDecoratorContext): void
}

/** Options of `@WsModule`. */
export interface ModuleOptions {
  /** Classes with `@WsController`, or instances of such classes. */
  controllers?: readonly (object | (new (...args: never[]) => object))[] | undefined
  /** Default: `raw` if the module has `@OnMessage`, otherwise `json`. */
  parser?: Parser | undefined
  middleware?: Middlewares | undefined
  /** How many messages of one connection may be handled at the same time. Default 1: one after another. */
  concurrency?: number | undefined
}

/** Options of `@WsController`. */
export interface ControllerOptions {
  middleware?: readonly Middleware<MessageContext>[] | undefined
}

/** Options of `@MessageMapping`. */
export interface CommandOptions<T> {
  /** Any Standard Schema. The value that it returns becomes `ctx.data`. */
  data?: Schema<T> | undefined
  middleware?: readonly Middleware<MessageContext>[] | undefined
}

const modules = sharedMap<{ readonly path: unknown; readonly options: ModuleOptions }>('ws-modules')
const controllers = sharedMap<{ readonly prefix: unknown; readonly options: ControllerOptions }>('ws-controllers')

/** Makes a class the module at a path such as `/chat/:room`. Its subclasses are modules at the same path. */
export function WsModule(path: string, options: ModuleOptions = {}): ClassDecorator {
  return (value) => void modules.set(value, { path, options })
}

/** Makes a class a controller. Its commands are named `prefix.command`, or `command` if the prefix is empty. */
export function WsController(prefix: string, options: ControllerOptions = {}): ClassDecorator {
  return (value) => void controllers.set(value, { prefix, options })
}

/** Runs the method before the 101. To refuse the connection, it returns a `Response`. */
export function OnHandshake(
  ...none: []
): MethodDecorator<(ctx: HandshakeContext<never>) => void | Response | Promise<void | Response>> {
  return hook('OnHandshake', 'handshake', none)
}

/** Runs the method after the 101 and before the first message. If it throws, the connection closes with 1011. */
export function OnOpen(...none: []): MethodDecorator<(ctx: OpenContext<never>) => unknown> {
  return hook('OnOpen', 'open', none)
}

/** Runs the method for every message; it returns the reply. A module has either this or commands, not both. */
export function OnMessage(...none: []): MethodDecorator<(ctx: MessageContext<never, never>) => Reply | Promise<Reply>> {
  return hook('OnMessage', 'message', none)
}

/** Runs the method when a connection that had opened has closed, for whatever reason. */
export function OnClose(...none: []): MethodDecorator<(ctx: CloseContext<never>) => unknown> {
  return hook('OnClose', 'close', none)
}

/** Makes the method the handler of one command. It returns the reply. */
export function MessageMapping<T = never>(
  command: string,
  options: CommandOptions<T> = {},
): MethodDecorator<(ctx: MessageContext<T, never>) => Reply | Promise<Reply>> {
  return markMethod('MessageMapping', (method): Mark => ({ type: 'command', command, options, method }))
}

/** @internal Also finds the decorator of a base class. */
export function moduleOf(type: unknown): { readonly path: unknown; readonly options: ModuleOptions } | undefined {
  return lookUp(modules, type)
}

/** @internal Also finds the decorator of a base class. */
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
