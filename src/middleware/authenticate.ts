import type { JWTPayload } from 'jose'
import { parseGroup, parseUid } from '../envelope/target.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import { checkNames } from '../lib/checked-names.ts'
import { shown } from '../lib/shown.ts'
import type { Logger } from '../logger.ts'
import type { Middleware } from '../modules/compose.ts'
import type { HandshakeContext } from '../modules/contexts.ts'
import { refuse } from '../modules/refuse.ts'
import { readOffer } from './bearer.ts'
import { createVerifier, type TokenSource, type Verify } from './token-verifier.ts'

export type AuthenticateOptions = TokenSource & {
  /** The name of the claim that lists the groups to join at the start: a list of groups, or a single group. */
  groupsClaim?: string | undefined
  /**
   * How far the issuer's clock and this machine's may be apart, in ms: a token counts for this long before its `nbf` and
   * after its `exp`. Default 5000, at most 600000; 0 for clocks that agree.
   */
  clockTolerance?: number | undefined
}

const OPTIONS = ['secret', 'jwks', 'issuer', 'audience', 'groupsClaim', 'clockTolerance']

/** ms */
const TOLERANCE = 5_000
const MAX_TOLERANCE = 600_000

/**
 * Admits clients that send a valid JWT (RFC 7519) by `Authorization: Bearer`, by `?token=` or by the subprotocols
 * `flotilla, token.<jwt>`, and answers 401 to all others. The token's `sub` becomes the uid. `clockTolerance` after its
 * `exp`, the token is refused, and the connection that it opened closes with 4401. If `issuer` is given, the token's
 * `iss` must equal it. If `audience` is given, the token's `aud` must equal it or, if it is a list, contain it. Both are
 * required with `jwks`.
 *
 * The keys of `jwks` are fetched at the first handshake that needs them. They are fetched again after 10 minutes, and
 * at once when a token names an unknown key, but at most every 5 s. While fetching fails, known keys are used for up to
 * 24 hours, and the pause between two attempts grows from 1 s to 60 s. A token whose key is not known meanwhile is
 * answered with 503, and `Retry-After` says when the keys will be fetched again. The URL must use https; http is
 * accepted only for this machine.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function authenticate(options: AuthenticateOptions): Middleware<HandshakeContext> {
  checkNames('authenticate', options, OPTIONS)
  const tolerance = parseTolerance(options.clockTolerance)
  const verify = createVerifier(options, tolerance)
  const groupsClaim = parseClaimName(options.groupsClaim)
  return async (ctx, next) => {
    const { token, protocol } = readOffer(ctx.request)
    if (protocol !== undefined) ctx.protocol = protocol
    try {
      const payload = await verifyToken(verify, token, ctx.log)
      admit(ctx, payload, groupsClaim)
      // The connection ends when its token is refused: not earlier, otherwise the client could come back with it.
      if (payload.exp !== undefined) ctx.expiresAt = payload.exp * 1_000 + tolerance
    } catch (error) {
      if (!isFlotillaError(error)) throw error
      return refuse(error)
    }
    return next()
  }
}

function parseClaimName(name: unknown): string | undefined {
  if (name === undefined || (typeof name === 'string' && name !== '')) return name
  throw new FlotillaError('FLT_BAD_OPTION', 'authenticate: groupsClaim must be the name of a claim')
}

function parseTolerance(tolerance: unknown = TOLERANCE): number {
  if (typeof tolerance === 'number' && Number.isInteger(tolerance) && tolerance >= 0 && tolerance <= MAX_TOLERANCE)
    return tolerance
  const takes = `a whole number of milliseconds from 0 to ${MAX_TOLERANCE}`
  throw new FlotillaError('FLT_BAD_OPTION', `authenticate: clockTolerance must be ${takes}, not ${shown(tolerance)}`)
}

function verifyToken(verify: Verify, token: string | undefined, log: Logger): Promise<JWTPayload> {
  if (token !== undefined) return verify(token, log)
  throw unauthorized(
    'there is no token: send Authorization: Bearer <jwt>, ?token= or the subprotocols flotilla, token.<jwt>',
  )
}

function admit(ctx: HandshakeContext, payload: JWTPayload, groupsClaim: string | undefined): void {
  const uid = uidOf(payload)
  const groups = groupsClaim === undefined ? [] : groupsOf(payload, groupsClaim)
  ctx.uid = uid
  for (const group of groups) ctx.groups.add(group)
}

function uidOf({ sub }: JWTPayload): string {
  if (sub === undefined) throw unauthorized('the token has no sub: it must say which user it is for')
  return claimed('sub', () => parseUid(sub, 'it'))
}

function groupsOf(payload: JWTPayload, claim: string): string[] {
  if (!Object.hasOwn(payload, claim)) return []
  const groups: unknown[] = [payload[claim]].flat()
  return claimed(claim, () => groups.map((group) => parseGroup(group, 'a group')))
}

/** A token with a valid signature may still have a claim that does not fit: the client is told which one. */
function claimed<T>(claim: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw unauthorized(`the token's claim ${claim} does not fit: ${cause instanceof Error ? cause.message : ''}`, cause)
  }
}

function unauthorized(message: string, cause?: unknown): FlotillaError {
  return new FlotillaError('FLT_UNAUTHORIZED', message, { cause })
}
