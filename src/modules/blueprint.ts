import { FlotillaError } from '../errors.ts'
import { strangeNames } from '../lib/checked-names.ts'
import { raw, json, type Parser } from '../wire/parsers.ts'
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

/** A module as its author said it, with decorators or without: one shape, checked. */
export interface Blueprint extends Hooks {
  readonly path: string
  readonly concurrency: number
  readonly parser: Parser
  readonly middleware: Middlewares
  /** Undefined: it has none, rather than an empty list of them. */
  readonly commands: readonly Command[] | undefined
}

/** The same, before anybody has looked at it. */
export interface Draft extends Hooks {
  readonly path: unknown
  readonly concurrency: unknown
  readonly parser: unknown
  readonly middleware: unknown
  readonly commands: readonly Command[] | undefined
}

/** @throws FlotillaError `FLT_BAD_MODULE`, saying what to change. */
export function checkDraft(draft: Draft): Blueprint {
  parsePath(draft.path)
  const path = draft.path as string
  const hasCommands = draft.commands !== undefined && draft.commands.length > 0
  if (hasCommands && draft.message !== undefined)
    throw badModule(path, 'has a message hook (@OnMessage) as well as commands or controllers: keep one of them')
  if (hasCommands && draft.parser === raw)
    throw badModule(path, 'has commands, which the raw parser cannot read: take json or token, or a message hook')
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
    throw flaw(`${owner}: middleware must be an object with lists ${STAGES.join(', ')}`)
  const strange = strangeNames(middleware, STAGES)
  if (strange !== undefined) throw flaw(`${owner}: middleware has no ${strange}, only ${STAGES.join(', ')}`)
  for (const stage of STAGES) checkList(`${owner}: middleware.${stage}`, (middleware as Middlewares)[stage])
  return middleware
}

/** What is not known would be ignored, be it a hook that never runs or a limit that is never applied. */
export function checkFields(path: unknown, what: string, fields: object, known: readonly string[]): void {
  const strange = strangeNames(fields, known)
  if (strange !== undefined) throw badModule(path, `has ${what} with ${strange}: there are ${known.join(', ')}`)
}

export function badModule(path: unknown, message: string): FlotillaError {
  return flaw(`module '${String(path)}' ${message}`)
}

export function checkList(owner: string, list: unknown): readonly Middleware<MessageContext>[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) throw flaw(`${owner} must be a list of functions`)
  const wrong = list.findIndex((entry) => typeof entry !== 'function')
  if (wrong !== -1) throw flaw(`${owner}[${wrong}] is ${typeof list[wrong]}: give a function (ctx, next)`)
  return list
}

function checkCommand(path: string, { name, data, run }: Command): void {
  if (typeof name !== 'string' || name === '') throw badModule(path, 'has a command without a name')
  if (typeof run !== 'function') throw badModule(path, `has the command '${name}' without a function run(ctx)`)
  if (data !== undefined && !isSchema(data))
    throw badModule(path, `has the command '${name}', whose data is no Standard Schema: zod and valibot make some`)
}

function checkConcurrency(path: string, concurrency: unknown = 1): number {
  if (Number.isInteger(concurrency) && (concurrency as number) > 0) return concurrency as number
  throw badModule(path, `has the concurrency ${String(concurrency)}: give a whole number from 1`)
}

function checkParser(path: string, parser: unknown): Parser | undefined {
  if (parser === undefined) return undefined
  const { decode, encode } = (parser ?? {}) as Partial<Parser>
  if (typeof decode === 'function' && typeof encode === 'function') return parser as Parser
  throw badModule(path, 'has a parser that is none: give json, token, raw or an object with decode() and encode()')
}

function flaw(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_MODULE', message)
}
