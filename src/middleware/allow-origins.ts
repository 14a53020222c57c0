import { FlotillaError } from '../errors.ts'
import { checkNone } from '../lib/checked-names.ts'
import { shown, shownFromClient } from '../lib/shown.ts'
import type { Middleware } from '../modules/compose.ts'
import type { HandshakeContext } from '../modules/contexts.ts'
import { refuse } from '../modules/refuse.ts'
import { isOfHost, normalOrigin } from './origin.ts'
import { RefusedOrigins } from './refused-origins.ts'

/**
 * Lets web pages of the given origins connect, such as `https://example.com`, `capacitor://localhost` or `null`; `*`
 * allows every origin. Capital letters, a default port and a slash at the end make no difference. A request without an
 * `Origin` header does not come from a browser and passes. Browsers send cookies along with WebSockets that any page
 * opens, so list the origins that you trust.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function allowOrigins(origins: readonly string[] | '*', ...none: []): Middleware<HandshakeContext> {
  checkNone('allowOrigins(origins)', none)
  if (origins !== '*' && !Array.isArray(origins)) throw badOrigin(origins)
  const any = origins === '*' || origins.includes('*')
  const allowed = new Set(any ? [] : origins.map(parseAllowed))
  return guard(
    (origin) => {
      const normal = normalOrigin(origin)
      return any || (normal !== undefined && allowed.has(normal))
    },
    (origin) => `pages of the origin "${origin}" may not connect: add it to allowOrigins([…]) or to --origins`,
  )
}

/**
 * Lets web pages connect if their origin is the host that they connect to, as the `Host` header names it. A request
 * without an `Origin` header does not come from a browser and passes. A proxy in front must pass on the `Host` header
 * that it got; nginx by default does not.
 */
export function sameOrigin(...none: []): Middleware<HandshakeContext> {
  checkNone('sameOrigin()', none)
  return guard(
    isOfHost,
    (origin, host) =>
      `pages of the origin "${origin}" may not connect, because the request is for the host "${host}": allow the origin ` +
      `with allowOrigins([…]) or --origins, or let the proxy in front pass on the Host header`,
  )
}

function guard(
  isAllowed: (origin: string, host: string) => boolean,
  explain: (origin: string, host: string) => string,
): Middleware<HandshakeContext> {
  const refused = new RefusedOrigins()
  return ({ request: { headers }, log }, next) => {
    const origin = headers.get('origin')
    const host = headers.get('host') ?? ''
    if (origin === null || isAllowed(origin, host)) return next()
    const [shownOrigin, shownHost] = [shownFromClient(origin), shownFromClient(host)]
    refused.add(log, { origin: shownOrigin, host: shownHost })
    return refuse(new FlotillaError('FLT_FORBIDDEN', explain(shownOrigin, shownHost)))
  }
}

function parseAllowed(origin: unknown): string {
  const normal = typeof origin === 'string' && !origin.includes('*') ? normalOrigin(origin) : undefined
  if (normal === undefined) throw badOrigin(origin)
  return normal
}

function badOrigin(origin: unknown): FlotillaError {
  const message = `allowOrigins: ${shown(origin)} is not an origin: give a list such as ['https://example.com'], or '*'`
  return new FlotillaError('FLT_BAD_OPTION', message)
}
