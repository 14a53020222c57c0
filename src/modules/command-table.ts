import { FlotillaError } from '../errors.ts'
import { RequestError } from '../wire/request-error.ts'
import { compose, type Handler, type Middleware } from './compose.ts'
import type { MessageContext } from './contexts.ts'
import { type Schema, validate } from './schema.ts'
import { unlessExpelled } from './unless-expelled.ts'

export interface Command {
  /** The full name, with the controller's prefix. */
  readonly name: string
  readonly data?: Schema<unknown> | undefined
  /** Outermost first. The module's and the server's middleware run around these. */
  readonly middleware: readonly Middleware<MessageContext>[]
  readonly run: Handler<MessageContext>
}

/** Every module answers `ping`, because browsers cannot send WebSocket pings. Its own `ping` takes precedence. */
const PING: Command = { name: 'ping', middleware: [], run: () => 'pong' }
const MAX_NAME_LENGTH = 64

/** The commands of one module. Each handler is already wrapped in its middleware. */
export class CommandTable {
  readonly #handlers = new Map<string, Handler<MessageContext>>()
  readonly #unknown: Handler<MessageContext>

  /** @throws FlotillaError `FLT_BAD_MODULE` if two handlers have the same name */
  constructor(path: string, commands: readonly Command[], middleware: readonly Middleware<MessageContext>[]) {
    for (const command of commands) {
      if (this.#handlers.has(command.name)) throw duplicate(path, command.name)
      this.#handlers.set(command.name, compose([...middleware, ...command.middleware], toHandler(command)))
    }
    if (!this.#handlers.has(PING.name)) this.#handlers.set(PING.name, compose(middleware, PING.run))
    this.#unknown = compose(middleware, refuseUnknown)
  }

  /** An unknown command gets a handler that refuses it, so that middleware counts and limits such messages, too. */
  readonly find = (name: string): Handler<MessageContext> => this.#handlers.get(name) ?? this.#unknown
}

function toHandler({ data: schema, run }: Command): Handler<MessageContext> {
  const handler = unlessExpelled(run)
  if (schema === undefined) return handler
  return async (ctx) => {
    ctx.setData(await validate(schema, ctx.data))
    return handler(ctx)
  }
}

function refuseUnknown({ command }: MessageContext): never {
  const name = command.length > MAX_NAME_LENGTH ? `${command.slice(0, MAX_NAME_LENGTH)}…` : command
  throw new RequestError('FLT_UNKNOWN_COMMAND', `there is no command ${JSON.stringify(name)} here`)
}

function duplicate(path: string, name: string): FlotillaError {
  return new FlotillaError('FLT_BAD_MODULE', `module '${path}' has two handlers for the command '${name}': keep one`)
}
