import type { JWTPayload } from 'jose'
import { FlotillaError, isFlotillaError } from '../errors.ts'
import type { HandshakeContext } from '../modules/contexts.ts'
import { parseGroup, parseUid } from '../protocol/target.ts'
import { readOffer } from './bearer.ts'
import type { Middleware } from './compose.ts'
import { refuse } from './refuse.ts'
import { createVerifier, type TokenSource, type Verify } from './token-verifier.ts'

export type AuthenticateOptions = TokenSource & {
  /** The claim whose groups, a list or a single one, the connection is in from the start. */
  groupsClaim?: string
}

/**
 * Lets in who brings a JWT (RFC 7519) by `Authorization: Bearer`, `?token=` or the subprotocols `flotilla, token.<jwt>`,
 * and answers 401 to everyone else. Its `sub` is the uid; when its `exp` passes, the connection closes with 4401.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function authenticate(options: AuthenticateOptions): Middleware<HandshakeContext> {
  const verify = createVerifier(options)
  const { groupsClaim } = options
  return async (ctx, next) => {
    const { token, protocol } = readOffer(ctx.request)
    if (protocol !== undefined) ctx.protocol = protocol
    try {
      admit(ctx, await verifyToken(verify, token), groupsClaim)
    } catch (error) {
      if (!isFlotillaError(error)) throw error
      if (error.status >= 500) ctx.log.error({ error }, 'tokens cannot be checked')
      return refuse(error)
    }
    return next()
  }
}

function verifyToken(verify: Verify, token: string | undefined): Promise<JWTPayload> {
  if (token !== undefined) return verify(token)
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

/** A token that its issuer signed may still not fit: the client is told which claim. */
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
