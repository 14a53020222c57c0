import type { JWTPayload } from 'jose'
import { parseGroup, parseUid } from '../envelope/target.ts'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import { checkNames } from '../lib/checked-names.ts'
import type { Logger } from '../logger.ts'
import type { Middleware } from '../modules/compose.ts'
import type { HandshakeContext } from '../modules/contexts.ts'
import { refuse } from '../modules/refuse.ts'
import { readOffer } from './bearer.ts'
import { createVerifier, type TokenSource, type Verify } from './token-verifier.ts'

export type AuthenticateOptions = TokenSource & {
  /** The name of the claim that lists the groups to join at the start: a list of groups, or a single group. */
  groupsClaim?: string
}

const OPTIONS = ['secret', 'jwks', 'issuer', 'audience', 'groupsClaim']

/**
 * Admits clients that send a valid JWT (RFC 7519) by `Authorization: Bearer`, by `?token=` or by the subprotocols
 * `flotilla, token.<jwt>`, and answers 401 to all others. The token's `sub` becomes the uid. When its `exp` passes, the
 * connection closes with 4401. If `issuer` is given, the token's `iss` must equal it. If `audience` is given, the
 * token's `aud` must equal it or, if it is a list, contain it. Both are required with `jwks`.
 *
 * The keys of `jwks` are fetched at the first handshake that needs them. They are fetched again after 10 minutes, or
 * when a token names an unknown key, but at most every 30 s. While fetching fails, known keys are used for up to 24
 * hours, and the pause between two attempts grows from 1 s to 60 s. If no key is known, tokens are answered with 503.
 * The URL must use https; http is accepted only for this machine.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function authenticate(options: AuthenticateOptions): Middleware<HandshakeContext> {
  checkNames('authenticate', options, OPTIONS)
  const verify = createVerifier(options)
  const groupsClaim = parseClaimName(options.groupsClaim)
  return async (ctx, next) => {
    const { token, protocol } = readOffer(ctx.request)
    if (protocol !== undefined) ctx.protocol = protocol
    try {
      admit(ctx, await verifyToken(verify, token, ctx.log), groupsClaim)
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
  if (payload.exp !== undefined) ctx.expiresAt = payload.exp * 1000
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
