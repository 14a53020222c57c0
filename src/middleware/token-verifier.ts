import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import { FlotillaError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { KeysAway, KeySet } from './key-set.ts'

/**
 * How tokens are verified: with a secret that is shared with their issuer (HS256), or with public keys that the issuer
 * publishes. A token must name the `issuer` and the `audience`. With a secret, either option may be left out, and then
 * that claim is not checked.
 */
export type TokenSource =
  | { secret: string | Uint8Array; jwks?: never; issuer?: string; audience?: string }
  | { secret?: never; jwks: string | URL; issuer: string; audience: string }

/**
 * Verifies a token and returns its claims. Writes to `log` if the key endpoint fails.
 *
 * @throws FlotillaError `FLT_UNAUTHORIZED`, which says what is wrong with the token, or `FLT_KEYS_AWAY` if the keys are
 * not available.
 */
export type Verify = (token: string, log: Logger) => Promise<JWTPayload>

type Checks = Pick<JWTVerifyOptions, 'issuer' | 'audience' | 'clockTolerance'>

/**
 * Only algorithms that verify with a public key. Otherwise a token could choose HS256 and be checked with the public
 * key as its secret.
 */
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/**
 * @param clockTolerance in ms
 * @throws FlotillaError `FLT_BAD_OPTION`
 */
export function createVerifier(source: TokenSource, clockTolerance: number): Verify {
  const given = (['secret', 'jwks'] as const).filter((name) => Object.hasOwn(source, name))
  if (given.length !== 1)
    throw badOption(`takes { secret } or { jwks, issuer, audience }, but got ${given.join(' and ') || 'neither'}`)
  // jose counts in seconds.
  const checks = { ...claimsOf(source), clockTolerance: clockTolerance / 1_000 }
  return given[0] === 'secret' ? secretVerifier(source.secret, checks) : jwksVerifier(source.jwks, checks)
}

/**
 * An option that is present but `undefined`, such as an environment variable that is not set, must not disable a check.
 */
function claimsOf(source: TokenSource): Checks {
  const given = (['issuer', 'audience'] as const).filter((name) => Object.hasOwn(source, name))
  for (const name of given) {
    if (typeof source[name] !== 'string' || source[name] === '')
      throw badOption(`needs a string that is not empty as ${name}`)
  }
  return Object.fromEntries(given.map((name) => [name, source[name]]))
}

/**
 * RFC 7518 §3.2: the secret must be as long as the hash. Anybody who has a token can guess a shorter secret from it.
 */
const MIN_SECRET = 32

function secretVerifier(secret: unknown, checks: Checks): Verify {
  // A copy, because the caller may overwrite its bytes later.
  const key =
    typeof secret === 'string' ? new TextEncoder().encode(secret) : secret instanceof Uint8Array && secret.slice()
  if (key === false || key.length === 0)
    throw badOption('needs a secret that is not empty, as a string or bytes: 32 random bytes are good')
  if (key.length < MIN_SECRET) warnOfWeak(key.length)
  const options = { algorithms: ['HS256'], ...checks }
  return async (token) => {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (cause) {
      throw unauthorized(cause)
    }
  }
}

function warnOfWeak(length: number): void {
  const message = `authenticate: the secret has ${length} bytes, and can be guessed from any token that it signed: use at least ${MIN_SECRET} random bytes, for example from openssl rand -hex 32`
  process.emitWarning(message, { type: 'SecurityWarning', code: 'FLT_WEAK_SECRET' })
}

function jwksVerifier(jwks: unknown, checks: Checks): Verify {
  // Otherwise every token of the issuer would be accepted, even one that is meant for another service.
  if (checks.issuer === undefined || checks.audience === undefined)
    throw badOption('needs issuer and audience together with jwks')
  const keys = new KeySet(parseUrl(jwks))
  const options = { algorithms: ASYMMETRIC, ...checks }
  return async (token, log) => {
    const find: JWTVerifyGetKey = (header, jws) => keys.find(header, jws, log)
    try {
      return (await jwtVerify(token, find, options)).payload
    } catch (cause) {
      if (isOfToken(cause)) throw unauthorized(cause)
      keys.report(cause, log)
      const message = 'tokens cannot be checked now, because their keys cannot be fetched: try again later'
      // A client that comes back earlier would get the same answer.
      const details = cause instanceof KeysAway ? { retryAfter: Math.max(1, Math.ceil(cause.wait / 1_000)) } : {}
      throw new FlotillaError('FLT_KEYS_AWAY', message, { cause, details })
    }
  }
}

/** Hosts as `URL` writes them. Requests to them do not leave the machine. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

function parseUrl(jwks: unknown): URL {
  const text = jwks instanceof URL ? jwks.href : jwks
  if (typeof text !== 'string' || !URL.canParse(text)) throw badOption('needs the https URL of the keys as jwks')
  const url = new URL(text)
  // Over plain HTTP anybody on the network path could send keys of their own, and sign tokens for any user.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    throw badOption(`needs an https URL as jwks, not ${url.protocol}//${url.host}; http is for this machine alone`)
  if (url.username !== '' || url.password !== '')
    throw badOption('needs a URL without a user name and password as jwks')
  return url
}

/** Whether the error is about the token. Errors about a key or its endpoint have other classes. */
function isOfToken(error: unknown): boolean {
  return error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)
}

function unauthorized(cause: unknown): FlotillaError {
  return new FlotillaError('FLT_UNAUTHORIZED', flawOf(cause), { cause })
}

function flawOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired: get a new one'
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's claim ${error.claim} does not fit here`
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong"
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not accepted here"
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token was signed with an unknown key'
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return 'the token does not say which key signed it: give it a kid'
  return 'the token is malformed: send a signed JWT'
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `authenticate ${message}`)
}
