import { FlotillaError } from '../errors.ts'
import { checkNone } from '../lib/checked-names.ts'
import type { Middleware } from '../modules/compose.ts'
import type { HandshakeContext } from '../modules/contexts.ts'
import { refuse } from '../modules/refuse.ts'

/**
 * Lets web pages of the given origins connect, such as `https://example.com`; `*` allows every origin. A request
 * without an `Origin` header does not come from a browser and passes. Browsers send cookies along with WebSockets that
 * any page opens, so list the origins that you trust.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function allowOrigins(origins: readonly string[] | '*', ...none: []): Middleware<HandshakeContext> {
  checkNone('allowOrigins(origins)', none)
  if (origins !== '*' && !Array.isArray(origins)) throw badOrigin(origins)
  const any = origins === '*' || origins.includes('*')
  const allowed = new Set(any ? [] : origins.map(parseAllowed))
  return guard((origin) => {
    const normal = normalize(origin)
    return any || (normal !== undefined && allowed.has(normal))
  })
}

/**
 * Lets web pages connect if their origin is the host that they connect to, as the `Host` header names it. A request
 * without an `Origin` header does not come from a browser and passes.
 */
export function sameOrigin(...none: []): Middleware<HandshakeContext> {
  checkNone('sameOrigin()', none)
  return guard((origin, { headers }) => {
    const normal = normalize(origin)
    const scheme = normal?.slice(0, normal.indexOf('://'))
    return normal !== undefined && normal !== OPAQUE && normal === normalize(`${scheme}://${headers.get('host') ?? ''}`)
  })
}

/** The origin that sandboxed frames and `file:` pages send: it could be any page. */
const OPAQUE = 'null'

function guard(isAllowed: (origin: string, request: Request) => boolean): Middleware<HandshakeContext> {
  return ({ request }, next) => {
    const origin = request.headers.get('origin')
    if (origin === null || isAllowed(origin, request)) return next()
    return refuse(
      new FlotillaError('FLT_FORBIDDEN', 'pages of this origin may not connect: allow the origin on the server'),
    )
  }
}

function parseAllowed(origin: unknown): string {
  const normal = typeof origin === 'string' && !origin.includes('*') ? normalize(origin) : undefined
  if (normal === undefined) throw badOrigin(origin)
  return normal
}

/**
 * The origin in lower case and without a default port. Undefined for anything that is not an origin, such as a URL with
 * a path.
 */
function normalize(origin: string): string | undefined {
  if (origin === OPAQUE) return OPAQUE
  if (!URL.canParse(origin)) return undefined
  const { protocol, host, pathname, search, hash, username, password } = new URL(origin)
  const isBare = host !== '' && pathname.length < 2 && !search && !hash && !username && !password
  return isBare ? `${protocol}//${host.toLowerCase()}` : undefined
}

function badOrigin(origin: unknown): FlotillaError {
  const message = `allowOrigins: '${String(origin)}' is not an origin: give a list such as ['https://example.com'], or '*'`
  return new FlotillaError('FLT_BAD_OPTION', message)
}
