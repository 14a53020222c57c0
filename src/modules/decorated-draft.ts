import { FlotillaError } from '../errors.ts'
import { badModule, checkFields, checkList, type Draft, type Hooks } from './blueprint.ts'
import type { Command } from './command-table.ts'
import type { Handler } from './compose.ts'
import { controllerOf, moduleOf, type ModuleOptions } from './decorators.ts'
import { type CommandMark, type HookMark, type HookName, type Mark, marksOf } from './marks.ts'

const MODULE_OPTIONS = ['controllers', 'parser', 'middleware', 'concurrency'] as const satisfies (keyof ModuleOptions)[]

/** Creates an instance of one of the user's classes. */
export type Resolve = (type: new (...args: never[]) => object) => object

/** The path of a class with `@WsModule`, or of an instance of such a class. */
export function decoratedPathOf(entry: object): unknown {
  return moduleOf(typeOf(entry))?.path
}

/** The draft of a class with `@WsModule`, or of an instance of such a class. */
export function draftOfDecorated(entry: object, resolve: Resolve): Draft {
  const found = moduleOf(typeOf(entry))
  if (found === undefined) throw notAModule(entry)
  const { path, options } = found
  checkFields(path, '@WsModule', options, MODULE_OPTIONS)
  const instance = toInstance(entry, resolve)
  const marks = marksOf(instance)
  const { concurrency, parser, middleware, controllers } = options
  const own = toCommands(path, instance, '', marks.filter(isCommand))
  const theirs = controllers?.flatMap((controller) => controllerCommands(path, controller, resolve))
  const commands = theirs === undefined && own.length === 0 ? undefined : [...own, ...(theirs ?? [])]
  return { path, concurrency, parser, middleware, commands, ...toHooks(path, instance, marks) }
}

function controllerCommands(path: unknown, entry: object, resolve: Resolve): Command[] {
  const name = nameOf(entry)
  const found = controllerOf(typeOf(entry))
  if (found === undefined) throw badModule(path, `has the controller ${name} without @WsController('prefix')`)
  const { prefix, options } = found
  if (typeof prefix !== 'string') throw badModule(path, `has the controller ${name}, whose prefix is not a string`)
  checkFields(path, `@WsController at ${name}`, options, ['middleware'])
  const instance = toInstance(entry, resolve)
  const marks = marksOf(instance)
  const hook = marks.find(isHook)
  if (hook !== undefined)
    throw badModule(path, `has the controller ${name} with the hook '${String(hook.method)}': move it to the module`)
  const shared = checkList(`controller ${name}: middleware`, options.middleware)
  const commands = toCommands(path, instance, prefix, marks.filter(isCommand))
  return commands.map((command) => ({ ...command, middleware: [...shared, ...command.middleware] }))
}

/** A subclass may decorate its override with the same command again. Its options then replace the base class's. */
function toCommands(path: unknown, instance: object, prefix: string, marks: readonly CommandMark[]): Command[] {
  const latest = marks.filter((mark, index) => !marks.slice(index + 1).some((later) => isSameCommand(mark, later)))
  return latest.map(({ command, options, method }) => {
    const name = prefix === '' ? command : `${prefix}.${command}`
    const { data, middleware } = options
    if (typeof command !== 'string' || command === '')
      throw badModule(path, `has @MessageMapping without a command at '${String(method)}': give it one, such as 'say'`)
    checkFields(path, `@MessageMapping('${command}')`, options, ['data', 'middleware'])
    const owner = `module '${String(path)}': the middleware of command '${name}'`
    return { name, data, middleware: checkList(owner, middleware), run: callerOf(instance, method) }
  })
}

function toHooks(path: unknown, instance: object, marks: readonly Mark[]): Hooks {
  const methods = new Map<HookName, PropertyKey>()
  for (const { hook, method } of marks.filter(isHook)) {
    const other = methods.get(hook)
    if (other !== undefined && other !== method)
      throw badModule(path, `has two ${hook} hooks, '${String(other)}' and '${String(method)}': keep one`)
    methods.set(hook, method)
  }
  return Object.fromEntries([...methods].map(([hook, method]) => [hook, callerOf(instance, method)]))
}

function callerOf(instance: object, method: PropertyKey): Handler<unknown> {
  const methods = instance as Record<PropertyKey, Handler<unknown>>
  return (ctx) => methods[method]!(ctx)
}

function toInstance(entry: object, resolve: Resolve): object {
  if (typeof entry !== 'function') return entry
  const instance: unknown = resolve(entry as new () => object)
  if (typeof instance === 'object' && instance !== null && !('then' in instance)) return instance
  const message = `resolve(${nameOf(entry)}) returned no instance: return an object, not a promise of one`
  throw new FlotillaError('FLT_BAD_MODULE', message)
}

function typeOf(entry: object): unknown {
  return typeof entry === 'function' ? entry : entry.constructor
}

function nameOf(entry: object): string {
  return (typeOf(entry) as { name?: string } | undefined)?.name || 'without a name'
}

function notAModule(entry: object): FlotillaError {
  const flaw =
    typeof entry === 'function' ? `the class ${nameOf(entry)} has no @WsModule('/path')` : 'an object is not a module'
  const message = `modules: ${flaw}: decorate its class, or write defineModule('/path', { … })`
  return new FlotillaError('FLT_BAD_MODULE', message)
}

function isHook(mark: Mark): mark is HookMark {
  return mark.type === 'hook'
}

function isCommand(mark: Mark): mark is CommandMark {
  return mark.type === 'command'
}

function isSameCommand(one: CommandMark, other: CommandMark): boolean {
  return one.command === other.command && one.method === other.method
}
