import { FlotillaError } from '../errors.ts'
import { unknownNames } from '../lib/checked-names.ts'
import { isRawParser, json, type Parser, raw } from '../wire/parsers.ts'
import type { Command } from './command-table.ts'
import type { Handler, Middleware } from './compose.ts'
import type { CloseContext, HandshakeContext, MessageContext, OpenContext } from './contexts.ts'
import type { Middlewares } from './middlewares.ts'
import { parsePath } from './path.ts'
import { isSchema } from './schema.ts'

export interface Hooks {
  readonly handshake?: Handler<HandshakeContext> | undefined
  readonly open?: Handler<OpenContext> | undefined
  readonly message?: Handler<MessageContext> | undefined
  readonly close?: Handler<CloseContext> | undefined
}

/** A module that has been checked. Modules with decorators and modules without them both take this shape. */
export interface Blueprint extends Hooks {
  readonly path: string
  readonly concurrency: number
  readonly parser: Parser
  readonly middleware: Middlewares
  /** `undefined` if the module declares no commands; an empty list if it declares a set of commands that is empty. */
  readonly commands: readonly Command[] | undefined
}

/** A module as its author wrote it, before it is checked. */
export interface Draft extends Hooks {
  readonly path: unknown
  readonly concurrency: unknown
  readonly parser: unknown
  readonly middleware: unknown
  readonly commands: readonly Command[] | undefined
}

/** @throws FlotillaError `FLT_BAD_MODULE`; its message says what to change */
export function checkDraft(draft: Draft): Blueprint {
  parsePath(draft.path)
  const path = draft.path as string
  const hasCommands = draft.commands !== undefined && draft.commands.length > 0
  if (hasCommands && draft.message !== undefined)
    throw badModule(path, 'has a message hook (@OnMessage) as well as commands or controllers: keep one of them')
  if (hasCommands && isRawParser(draft.parser))
    throw badModule(path, 'has commands, which the raw parser cannot read: use json or token, or a message hook')
  draft.commands?.forEach((command) => checkCommand(path, command))
  return {
    ...draft,
    path,
    concurrency: checkConcurrency(path, draft.concurrency),
    parser: checkParser(path, draft.parser) ?? (draft.message === undefined ? json : raw),
    middleware: checkMiddlewares(`module '${path}'`, draft.middleware),
  }
}

const STAGES = ['handshake', 'open', 'message'] as const

export function checkMiddlewares(owner: string, middleware: unknown): Middlewares {
  if (middleware === undefined) return {}
  if (typeof middleware !== 'object' || middleware === null || Array.isArray(middleware))
    throw badModuleError(`${owner}: middleware must be an object with the lists ${STAGES.join(', ')}`)
  const unknown = unknownNames(middleware, STAGES)
  if (unknown !== undefined) throw badModuleError(`${owner}: middleware has no ${unknown}, only ${STAGES.join(', ')}`)
  for (const stage of STAGES) checkList(`${owner}: middleware.${stage}`, (middleware as Middlewares)[stage])
  return middleware
}

/** Refuses unknown fields. Otherwise a misspelt hook would never run, and nobody would be told. */
export function checkFields(path: unknown, what: string, fields: object, known: readonly string[]): void {
  const unknown = unknownNames(fields, known)
  if (unknown !== undefined) throw badModule(path, `has ${what} with ${unknown}: there are ${known.join(', ')}`)
}

export function badModule(path: unknown, message: string): FlotillaError {
  return badModuleError(`module '${String(path)}' ${message}`)
}

export function checkList(owner: string, list: unknown): readonly Middleware<MessageContext>[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) throw badModuleError(`${owner} must be a list of functions`)
  const wrong = list.findIndex((entry) => typeof entry !== 'function')
  if (wrong !== -1) throw badModuleError(`${owner}[${wrong}] is ${typeof list[wrong]}: give a function (ctx, next)`)
  return list
}

function checkCommand(path: string, { name, data, run }: Command): void {
  if (typeof name !== 'string' || name === '') throw badModule(path, 'has a command without a name')
  if (typeof run !== 'function') throw badModule(path, `has the command '${name}' without a function run(ctx)`)
  if (data !== undefined && !isSchema(data))
    throw badModule(path, `has the command '${name}', whose data is not a Standard Schema: use zod or valibot`)
}

function checkConcurrency(path: string, concurrency: unknown = 1): number {
  if (Number.isInteger(concurrency) && (concurrency as number) > 0) return concurrency as number
  throw badModule(path, `has a concurrency of ${String(concurrency)}: give a whole number of 1 or more`)
}

function checkParser(path: string, parser: unknown): Parser | undefined {
  if (parser === undefined) return undefined
  const { decode, encode } = (parser ?? {}) as Partial<Parser>
  if (typeof decode === 'function' && typeof encode === 'function') return parser as Parser
  throw badModule(path, 'has a parser that lacks decode() or encode(): give json, token, raw or an object with both')
}

function badModuleError(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_MODULE', message)
}
