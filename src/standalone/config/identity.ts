import {
  allowOrigins,
  authenticate,
  type AuthenticateOptions,
  FlotillaError,
  type HandshakeContext,
  type Middleware,
  sameOrigin,
} from '../../index.ts'
import { isFromThisMachine } from '../common/loopback.ts'
import type { Config, TokenSource } from './config-check.ts'

type Handshake = Middleware<HandshakeContext>

/** The middleware of every handshake: it checks where the client comes from, then who it is. */
export function handshakeMiddleware({ dev, origins, tokens, groupsClaim, clockTolerance }: Config): Handshake[] {
  const origin = origins === undefined ? sameOrigin() : allowOrigins(origins.includes('*') ? '*' : origins)
  const byToken = tokenMiddleware(tokens, {
    ...(groupsClaim !== undefined && { groupsClaim }),
    ...(clockTolerance !== undefined && { clockTolerance }),
  })
  if (dev) return [onlyThisMachine, origin, devIdentity(byToken)]
  return byToken === undefined ? [origin] : [origin, byToken]
}

function tokenMiddleware(
  tokens: TokenSource,
  options: Pick<AuthenticateOptions, 'groupsClaim' | 'clockTolerance'>,
): Handshake | undefined {
  if (tokens.type === 'none') return undefined
  const { type: _, ...source } = tokens
  return authenticate({ ...source, ...options })
}

const onlyThisMachine: Handshake = (ctx, next) => {
  if (isFromThisMachine((name) => ctx.request.headers.get(name))) return next()
  const refusal = new FlotillaError('FLT_FORBIDDEN', 'with --dev only this machine is served: connect to localhost')
  return Response.json(refusal, { status: refusal.status })
}

/**
 * With --dev, clients may name any uid and groups. If a client brings a token that can be checked, the token decides.
 */
function devIdentity(byToken: Handshake | undefined): Handshake {
  return (ctx, next) => {
    if (byToken !== undefined && presentsToken(ctx.request)) return byToken(ctx, next)
    const query = ctx.url.searchParams
    const uid = query.get('uid') ?? ctx.request.headers.get('auth')
    if (uid !== null) ctx.uid = uid
    for (const group of listed(query.get('groups'))) ctx.groups.add(group)
    return next()
  }
}

function presentsToken({ headers, url }: Request): boolean {
  if (headers.get('authorization')?.toLowerCase().startsWith('bearer ') === true) return true
  if (new URL(url).searchParams.has('token')) return true
  return listed(headers.get('sec-websocket-protocol')).some((protocol) => protocol.startsWith('token.'))
}

function listed(joined: string | null): string[] {
  return (joined ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
