import { FlotillaError } from '../errors.ts'
import { shown } from '../lib/shown.ts'

export type Segment =
  /** `text` is in normal form. */
  { readonly type: 'static'; readonly text: string } | { readonly type: 'parameter'; readonly name: string }

const PARAMETER_NAME = /^[A-Za-z_$][\w$-]*$/

/** @throws FlotillaError `FLT_BAD_MODULE`; its message says what is wrong with the path */
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

/** Matches nearly every path: no character that needs encoding, and no dot segment. Any other path costs a `URL`. */
const PLAIN = /^(?:\/(?!\.{0,2}(?:\/|$))[\w.~!$&'()*+,;=:@-]+)*\/?$/

/** Encoded control characters, slashes and backslashes. Software that decodes too early takes the last two for `/`. */
const AMBIGUOUS = /%(?:2F|5C|[01][\dA-F]|7F)/

/**
 * Whether a path is in normal form (RFC 3986 §6.2.2): all software reads it alike, and a `URL` leaves it as it is. Each
 * path has exactly one such spelling, except that delimiters such as `@` may be encoded or not (RFC 3986 §2.2).
 */
export function isNormalPath(path: string): boolean {
  if (!path.startsWith('/') || path.includes('//')) return false
  if (PLAIN.test(path)) return true
  return spell(path) === path && !AMBIGUOUS.test(path) && decode(path) !== undefined
}

/** `undefined` if the escapes are not UTF-8. Never a view of the path, which would keep the path in memory. */
export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** The path as a browser would send it, with each escape in its normal form. */
function spell(path: string): string {
  const closed = path.replaceAll(/%(?![\dA-F]{2})/gi, '%25')
  return new URL(`http://localhost${closed}`).pathname.replaceAll(/%[\dA-F]{2}/gi, spellEscape)
}

/** Normalizes one escape: RFC 3986 §6.2.2.1 and §6.2.2.2. */
function spellEscape(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
}

function flawOf(path: unknown): string | undefined {
  if (typeof path !== 'string') return 'must be a string'
  if (!path.startsWith('/')) return `must begin with a slash: '/${path}'`
  const braces = /\{(\w*)\}?/.exec(path)
  if (braces !== null) return `has a '{': parameters are written ':${braces[1] || 'room'}'`
  if (path.includes('//')) return 'has an empty segment, which requests may not have: remove one slash'
  const special = /[*?#\s]/.exec(path)
  if (special !== null) return `has '${special[0]}': use plain segments and parameters like ':room' only`
  return undefined
}

function parseSegment(path: unknown, text: string): Segment {
  if (!text.startsWith(':')) return { type: 'static', text: parseStatic(path, text) }
  const name = text.slice(1)
  if (PARAMETER_NAME.test(name)) return { type: 'parameter', name }
  throw badPath(path, `has the parameter '${text}': write a name of letters and digits after the colon, as in ':room'`)
}

/** The segment's text in the one spelling that requests may have. */
function parseStatic(path: unknown, text: string): string {
  if (text === '') return text
  const spelled = spell(`/${text}`)
  if (spelled !== '/' && !text.includes('\\') && isNormalPath(spelled)) return spelled.slice(1)
  throw badPath(
    path,
    `has '${text}', which requests may not have: leave out dot segments, backslashes, encoded slashes and controls`,
  )
}

function badPath(path: unknown, flaw: string): FlotillaError {
  return new FlotillaError(
    'FLT_BAD_MODULE',
    `module path ${typeof path === 'string' ? `'${path}'` : shown(path)} ${flaw}`,
  )
}
