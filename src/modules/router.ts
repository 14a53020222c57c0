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
 * Finds the module of a path such as `/chat/:room`. A static segment takes precedence over a parameter. It is compared
 * byte for byte with the segment as a `URL` shows it, so that the router and code that uses a `URL` see the same path.
 * A parameter matches one segment that is not empty, and its value is percent-decoded. Case and a trailing slash
 * matter, as in Fastify and Hono: `/chat/` is not `/chat`.
 */
export class Router<T> {
  readonly #root: Branch<T> = newBranch()
  /** Paths without parameters. They take precedence over all others, and most requests are for one of them. */
  readonly #fixed = new Map<string, Match<T>>()

  /** @throws FlotillaError `FLT_BAD_MODULE` if the path is malformed, or matches exactly what another path matches */
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

  /** @param path of a request target, without the query */
  match(path: string): Match<T> | undefined {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return fixed
    if (!path.startsWith('/')) return undefined
    const spelled: string[] = []
    const leaf = find(this.#root, path.slice(1).split('/'), 0, spelled)
    if (leaf === undefined) return undefined
    const values = spelled.map(decode)
    if (values.includes(undefined)) return undefined
    // fromEntries defines fields instead of assigning them, so a parameter named __proto__ is a field like any other.
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
