import { FlotillaError } from '../errors.ts'
import { RequestError } from '../wire/request-error.ts'
import { compose, type Handler, type Middleware } from './compose.ts'
import type { MessageContext } from './contexts.ts'
import { type Schema, validate } from './schema.ts'
import { unlessExpelled } from './unless-expelled.ts'

export interface Command {
  /** With its prefix. */
  readonly name: string
  readonly data?: Schema<unknown> | undefined
  /** From the outermost to the innermost; around them lie the module's and the server's. */
  readonly middleware: readonly Middleware<MessageContext>[]
  readonly run: Handler<MessageContext>
}

/** A browser cannot send WebSocket pings. A module that has its own `ping` keeps it. */
const PING: Command = { name: 'ping', middleware: [], run: () => 'pong' }
const MAX_NAME_LENGTH = 64

/** The commands of one module, each with its onion already wound. */
export class CommandTable {
  readonly #handlers = new Map<string, Handler<MessageContext>>()
  readonly #unknown: Handler<MessageContext>

  /** @throws FlotillaError `FLT_BAD_MODULE` where two handlers have one name. */
  constructor(path: string, commands: readonly Command[], middleware: readonly Middleware<MessageContext>[]) {
    for (const command of commands) {
      if (this.#handlers.has(command.name)) throw twice(path, command.name)
      this.#handlers.set(command.name, compose([...middleware, ...command.middleware], toHandler(command)))
    }
    if (!this.#handlers.has(PING.name)) this.#handlers.set(PING.name, compose(middleware, PING.run))
    this.#unknown = compose(middleware, refuseUnknown)
  }

  /** For an unknown command, a handler that says so: what counts or limits messages sees those too. */
  readonly find = (name: string): Handler<MessageContext> => this.#handlers.get(name) ?? this.#unknown
}

function toHandler({ data: schema, run }: Command): Handler<MessageContext> {
  const begin = unlessExpelled(run)
  if (schema === undefined) return begin
  return async (ctx) => {
    ctx.setData(await validate(schema, ctx.data))
    return begin(ctx)
  }
}

function refuseUnknown({ command }: MessageContext): never {
  const name = command.length > MAX_NAME_LENGTH ? `${command.slice(0, MAX_NAME_LENGTH)}…` : command
  throw new RequestError('FLT_UNKNOWN_COMMAND', `there is no command ${JSON.stringify(name)} here`)
}

function twice(path: string, name: string): FlotillaError {
  return new FlotillaError('FLT_BAD_MODULE', `module '${path}' has two handlers of the command '${name}': keep one`)
}
