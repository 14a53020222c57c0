import { FlotillaError } from '../errors.ts'
import { shown } from '../shown.ts'

export type Segment =
  | { readonly type: 'static'; readonly text: string }
  | { readonly type: 'parameter'; readonly name: string }

const PARAMETER_NAME = /^[A-Za-z_$][\w$-]*$/

/** @throws FlotillaError `FLT_BAD_MODULE`, saying how the path should look. */
export function parsePath(path: unknown): Segment[] {
  const flaw = flawOf(path)
  if (flaw !== undefined) throw badPath(path, flaw)
  const segments = (path as string)
    .slice(1)
    .split('/')
    .map((text) => parseSegment(path, text))
  const names = segments.flatMap((segment) => (segment.type === 'parameter' ? [segment.name] : []))
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw badPath(path, `has two parameters :${twice}: give each its own name`)
  return segments
}

/** Undefined where the percent signs make no sense. */
export function decodeSegment(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function flawOf(path: unknown): string | undefined {
  if (typeof path !== 'string') return 'must be a string'
  if (!path.startsWith('/')) return `must begin with a slash: '/${path}'`
  const braces = /\{(\w*)\}?/.exec(path)
  if (braces !== null) return `has a '{': parameters are written ':${braces[1] || 'room'}'`
  const special = /[*?#\s]/.exec(path)
  if (special !== null) return `has '${special[0]}': it takes plain segments and parameters like ':room'`
  return undefined
}

function parseSegment(path: unknown, text: string): Segment {
  if (!text.startsWith(':')) return { type: 'static', text: decodeSegment(text) ?? text }
  const name = text.slice(1)
  if (PARAMETER_NAME.test(name)) return { type: 'parameter', name }
  throw badPath(
    path,
    `has the parameter '${text}': a name of letters and digits belongs after the colon, as in ':room'`,
  )
}

function badPath(path: unknown, flaw: string): FlotillaError {
  return new FlotillaError(
    'FLT_BAD_MODULE',
    `module path ${typeof path === 'string' ? `'${path}'` : shown(path)} ${flaw}`,
  )
}
