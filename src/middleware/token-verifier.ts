import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import { FlotillaError } from '../errors.ts'

/** Who signs the tokens: a secret that is shared with them (HS256), or keys that they publish. */
export type TokenSource = { secret: string | Uint8Array } | { jwks: string | URL; issuer: string; audience: string }

/** @throws FlotillaError `FLT_UNAUTHORIZED`, saying what is wrong with the token; `FLT_KEYS_AWAY` without the keys. */
export type Verify = (token: string) => Promise<JWTPayload>

/** Only what can be verified with a public key: a token must not choose HS256 and be checked with that as a secret. */
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** @throws FlotillaError `FLT_BAD_OPTION` */
export function createVerifier(source: TokenSource): Verify {
  const given = (['secret', 'jwks'] as const).filter((name) => Object.hasOwn(source, name))
  if (given.length !== 1)
    throw badOption(`takes { secret } or { jwks, issuer, audience }, not ${given.join(' and ') || 'neither'}`)
  return 'secret' in source ? secretVerifier(source.secret) : jwksVerifier(source.jwks, source)
}

/** RFC 7518 §3.2: as long as the hash. What is shorter can be guessed from a single token, by whoever has one. */
const MIN_SECRET = 32

function secretVerifier(secret: unknown): Verify {
  const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (!(key instanceof Uint8Array) || key.length === 0)
    throw badOption('needs a secret that is not empty, a string or bytes; 32 random bytes are a good one')
  if (key.length < MIN_SECRET) warnOfWeak(key.length)
  return (token) => jwtVerify(token, key, { algorithms: ['HS256'] }).then(payloadOf, reject)
}

function warnOfWeak(length: number): void {
  const message = `authenticate: the secret has ${length} bytes, and can be guessed from any token that it signed: take ${MIN_SECRET} random ones, such as openssl rand -hex 32 makes`
  process.emitWarning(message, { type: 'SecurityWarning', code: 'FLT_WEAK_SECRET' })
}

function jwksVerifier(jwks: string | URL, { issuer, audience }: { issuer: string; audience: string }): Verify {
  if (!URL.canParse(String(jwks)) || !/^https?:$/.test(new URL(jwks).protocol))
    throw badOption(`needs an http(s) URL as jwks, not '${String(jwks)}'`)
  // Without them every token of the same issuer, made for whatever other service, would be let in.
  if (!issuer || !audience) throw badOption('needs issuer and audience together with jwks')
  const keys = createRemoteJWKSet(new URL(jwks))
  return (token) => jwtVerify(token, keys, { algorithms: ASYMMETRIC, issuer, audience }).then(payloadOf, reject)
}

function payloadOf({ payload }: { payload: JWTPayload }): JWTPayload {
  return payload
}

function reject(cause: unknown): never {
  if (areKeysAway(cause)) {
    const message = 'tokens cannot be checked now: their keys cannot be fetched; try again later'
    throw new FlotillaError('FLT_KEYS_AWAY', message, { cause })
  }
  throw new FlotillaError('FLT_UNAUTHORIZED', flawOf(cause), { cause })
}

/** What jose throws for itself is about the token; for the endpoint it has these, or lets `fetch` speak. */
function areKeysAway(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

function flawOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired: get a new one'
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's claim ${error.claim} does not fit here`
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong"
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not accepted here"
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token was signed with a key that is not known here'
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return 'the token does not say which key signed it: give it a kid'
  return 'the token is malformed: send a signed JWT'
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `authenticate ${message}`)
}
