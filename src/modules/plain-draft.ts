import { badModule, checkFields, checkList, type Draft } from './blueprint.ts'
import type { Command } from './command-table.ts'
import type { CommandDefinition, ModuleHooks } from './define-module.ts'

type Fields = ModuleHooks<string, Record<string, unknown>>

const HOOKS = ['handshake', 'open', 'message', 'close'] as const
const COMMAND_FIELDS = ['data', 'middleware', 'run']
const FIELDS: readonly string[] = [...HOOKS, 'concurrency', 'parser', 'middleware', 'commands']

/** The draft of a module that `defineModule` returned. */
export function draftOfPlain(path: string, hooks: unknown): Draft {
  if (typeof hooks !== 'object' || hooks === null) throw badModule(path, 'has no hooks: give defineModule an object')
  checkFields(path, 'hooks', hooks, FIELDS)
  const wrong = HOOKS.find((name) => !['function', 'undefined'].includes(typeof (hooks as Fields)[name]))
  if (wrong !== undefined) throw badModule(path, `has a ${wrong} hook that is not a function`)
  const { concurrency, parser, middleware, commands, ...rest } = hooks as Fields
  return {
    path,
    concurrency,
    parser,
    middleware,
    commands: commands && toCommands(path, commands),
    ...bind(hooks, rest),
  }
}

/** Inside a hook, `this` is the object that the hook was written in. */
function bind(hooks: object, { handshake, open, message, close }: Fields): Pick<Draft, (typeof HOOKS)[number]> {
  return {
    handshake: handshake?.bind(hooks),
    open: open?.bind(hooks),
    message: message?.bind(hooks),
    close: close?.bind(hooks),
  }
}

function toCommands(path: string, commands: unknown): Command[] {
  if (typeof commands !== 'object' || commands === null)
    throw badModule(path, 'has commands that are not an object: write { name: { run: (ctx) => … } }')
  return Object.entries(commands).map(([name, command]) => toCommand(path, name, command))
}

function toCommand(path: string, name: string, command: unknown): Command {
  if (typeof (command as Partial<CommandDefinition<unknown, string>> | null)?.run !== 'function')
    throw badModule(path, `has the command '${name}' without a function run(ctx): write { run: (ctx) => … }`)
  checkFields(path, `the command '${name}'`, command as object, COMMAND_FIELDS)
  const definition = command as CommandDefinition<unknown, string>
  return {
    name,
    data: definition.data,
    middleware: checkList(`module '${path}': the middleware of command '${name}'`, definition.middleware),
    run: (ctx) => definition.run(ctx),
  }
}
