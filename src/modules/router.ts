import { FlotillaError } from '../errors.ts'
import { decode, parsePath, type Segment } from './path.ts'

interface Leaf<T> {
  readonly value: T
  readonly path: string
  readonly names: readonly string[]
}

interface Branch<T> {
  readonly statics: Map<string, Branch<T>>
  parameter: Branch<T> | undefined
  leaf: Leaf<T> | undefined
}

export interface Match<T> {
  readonly value: T
  readonly params: Readonly<Record<string, string>>
}

/**
 * Paths like `/chat/:room`. A static segment wins over a parameter, and matches byte for byte what a `URL` shows, so that
 * both read the same; a parameter is one segment that is not empty, percent-decoded. Case and a trailing slash count, as in
 * Fastify and Hono: `/chat/` is not `/chat`.
 */
export class Router<T> {
  readonly #root: Branch<T> = newBranch()
  /** Paths without parameters, which win over any other: most requests are for one of them. */
  readonly #fixed = new Map<string, Match<T>>()

  /** @throws FlotillaError `FLT_BAD_MODULE` for a path that is no path, or matches just what another one does. */
  add(path: string, value: T): this {
    const segments = parsePath(path)
    let branch = this.#root
    for (const segment of segments) {
      branch = segment.type === 'parameter' ? (branch.parameter ??= newBranch()) : staticOf(branch, segment.text)
    }
    if (branch.leaf !== undefined) {
      const other = branch.leaf.path === path ? '' : `, as '${branch.leaf.path}'`
      throw new FlotillaError('FLT_BAD_MODULE', `two modules have the path '${path}'${other}: give each its own`)
    }
    const names = segments.flatMap((segment) => (segment.type === 'parameter' ? [segment.name] : []))
    branch.leaf = { value, path, names }
    if (names.length === 0) this.#fixed.set(spellingOf(segments), { value, params: NO_PARAMS })
    return this
  }

  /** The path of a request target, without its query. */
  match(path: string): Match<T> | undefined {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return fixed
    if (!path.startsWith('/')) return undefined
    const spelled: string[] = []
    const leaf = find(this.#root, path.slice(1).split('/'), 0, spelled)
    if (leaf === undefined) return undefined
    const values = spelled.map(decode)
    if (values.includes(undefined)) return undefined
    // Defined, not assigned: a parameter named __proto__ is a field like any other.
    return { value: leaf.value, params: Object.fromEntries(leaf.names.map((name, index) => [name, values[index]!])) }
  }
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

function spellingOf(segments: readonly Segment[]): string {
  return segments.map((segment) => (segment.type === 'static' ? `/${segment.text}` : '')).join('')
}

function newBranch<T>(): Branch<T> {
  return { statics: new Map(), parameter: undefined, leaf: undefined }
}

function staticOf<T>(branch: Branch<T>, text: string): Branch<T> {
  const existing = branch.statics.get(text)
  if (existing !== undefined) return existing
  const created = newBranch<T>()
  branch.statics.set(text, created)
  return created
}

function find<T>(branch: Branch<T>, segments: readonly string[], index: number, values: string[]): Leaf<T> | undefined {
  const segment = segments[index]
  if (segment === undefined) return branch.leaf
  const fixed = branch.statics.get(segment)
  const found = fixed && find(fixed, segments, index + 1, values)
  if (found !== undefined || branch.parameter === undefined || segment === '') return found
  values.push(segment)
  const leaf = find(branch.parameter, segments, index + 1, values)
  if (leaf === undefined) values.pop()
  return leaf
}
