// Marks are notes that method decorators leave for the server to find. A standard decorator never sees the class, so an
// initializer puts its mark on each instance; under `experimentalDecorators` a decorator sees the prototype and marks
// that. A mark holds the method's name rather than the function, so that the server calls an override in a subclass, or
// the wrapper of another decorator.
import { FlotillaError } from '../errors.ts'
import { sharedMap } from '../lib/shared-map.ts'
import type { Middleware } from './compose.ts'
import type { MessageContext } from './contexts.ts'
import type { Schema } from './schema.ts'

export type HookName = 'handshake' | 'open' | 'message' | 'close'

export interface HookMark {
  readonly type: 'hook'
  readonly hook: HookName
  readonly method: PropertyKey
}

export interface CommandMark {
  readonly type: 'command'
  readonly command: string
  readonly options: {
    readonly data?: Schema<unknown> | undefined
    readonly middleware?: readonly Middleware<MessageContext>[] | undefined
  }
  readonly method: PropertyKey
}

export type Mark = HookMark | CommandMark

const onInstances = sharedMap<Mark[]>('marks-on-instances')
const onPrototypes = sharedMap<Mark[]>('marks-on-prototypes')

/** Creates a method decorator that works in both ways. `name` is the decorator's name in error messages. */
export function markMethod(
  name: string,
  toMark: (method: PropertyKey) => Mark,
): (target: unknown, place: unknown, descriptor?: unknown) => void {
  return (target, place, descriptor) => {
    if (isStandardContext(place)) markStandard(name, place, toMark)
    else markLegacy(name, target, place, descriptor, toMark)
  }
}

/** The marks of a base class come before the marks of the classes that extend it. */
export function marksOf(instance: object): Mark[] {
  const marks = [...(onInstances.get(instance) ?? [])]
  let prototype: unknown = Object.getPrototypeOf(instance)
  for (; typeof prototype === 'object' && prototype !== null; prototype = Object.getPrototypeOf(prototype))
    marks.unshift(...(onPrototypes.get(prototype) ?? []))
  return marks
}

function markStandard(name: string, context: ClassMethodDecoratorContext, toMark: (method: PropertyKey) => Mark): void {
  const called = String(context.name)
  if (context.kind !== 'method') throw misplaced(name, called, `it is a ${String(context.kind)}`)
  if (context.static) throw misplaced(name, called, 'it is static')
  if (context.private) throw misplaced(name, called, 'it is private')
  const mark = toMark(context.name)
  context.addInitializer(function (this: unknown) {
    add(onInstances, this as object, mark)
  })
}

function markLegacy(
  name: string,
  target: unknown,
  place: unknown,
  descriptor: unknown,
  toMark: (method: PropertyKey) => Mark,
): void {
  const called = String(place)
  if (typeof target === 'function')
    throw misplaced(name, called, place === undefined ? 'it is a class' : 'it is static')
  if (typeof (descriptor as PropertyDescriptor | undefined)?.value !== 'function')
    throw misplaced(name, called, 'it is a field or an accessor')
  add(onPrototypes, target as object, toMark(place as string | symbol))
}

function isStandardContext(place: unknown): place is ClassMethodDecoratorContext {
  return typeof place === 'object' && place !== null && 'kind' in place
}

function add(marks: WeakMap<object, Mark[]>, key: object, mark: Mark): void {
  const existing = marks.get(key)
  if (existing === undefined) marks.set(key, [mark])
  else existing.push(mark)
}

function misplaced(decorator: string, method: string, why: string): FlotillaError {
  const message = `@${decorator} cannot decorate '${method}', because ${why}: put it on a public instance method`
  return new FlotillaError('FLT_BAD_MODULE', message)
}
