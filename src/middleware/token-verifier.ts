import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose'
import { FlotillaError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { KeySet } from './key-set.ts'

/**
 * Who signs the tokens: a secret that is shared with them (HS256), or keys that they publish. A token must name the
 * `issuer` and the `audience`; with a secret either may be left out, and is not looked at then.
 */
export type TokenSource =
  | { secret: string | Uint8Array; jwks?: never; issuer?: string; audience?: string }
  | { secret?: never; jwks: string | URL; issuer: string; audience: string }

/**
 * `log` is told of what is wrong with an endpoint of keys.
 *
 * @throws FlotillaError `FLT_UNAUTHORIZED`, saying what is wrong with the token; `FLT_KEYS_AWAY` without the keys.
 */
export type Verify = (token: string, log: Logger) => Promise<JWTPayload>

type Claims = Pick<JWTVerifyOptions, 'issuer' | 'audience'>

/** Only what can be verified with a public key: a token must not choose HS256 and be checked with that as a secret. */
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** @throws FlotillaError `FLT_BAD_OPTION` */
export function createVerifier(source: TokenSource): Verify {
  const given = (['secret', 'jwks'] as const).filter((name) => Object.hasOwn(source, name))
  if (given.length !== 1)
    throw badOption(`takes { secret } or { jwks, issuer, audience }, not ${given.join(' and ') || 'neither'}`)
  const claims = claimsOf(source)
  return given[0] === 'secret' ? secretVerifier(source.secret, claims) : jwksVerifier(source.jwks, claims)
}

/** One that is there and `undefined`, such as a variable that is not set, must not mean that nothing is checked. */
function claimsOf(source: TokenSource): Claims {
  const given = (['issuer', 'audience'] as const).filter((name) => Object.hasOwn(source, name))
  for (const name of given) {
    if (typeof source[name] !== 'string' || source[name] === '')
      throw badOption(`needs a text that is not empty as ${name}`)
  }
  return Object.fromEntries(given.map((name) => [name, source[name]]))
}

/** RFC 7518 §3.2: as long as the hash. What is shorter can be guessed from a single token, by whoever has one. */
const MIN_SECRET = 32

function secretVerifier(secret: unknown, claims: Claims): Verify {
  // A copy: whoever gave it may write into it.
  const key =
    typeof secret === 'string' ? new TextEncoder().encode(secret) : secret instanceof Uint8Array && secret.slice()
  if (key === false || key.length === 0)
    throw badOption('needs a secret that is not empty, a string or bytes; 32 random bytes are a good one')
  if (key.length < MIN_SECRET) warnOfWeak(key.length)
  const options = { algorithms: ['HS256'], ...claims }
  return async (token) => {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (cause) {
      throw unauthorized(cause)
    }
  }
}

function warnOfWeak(length: number): void {
  const message = `authenticate: the secret has ${length} bytes, and can be guessed from any token that it signed: take ${MIN_SECRET} random ones, such as openssl rand -hex 32 makes`
  process.emitWarning(message, { type: 'SecurityWarning', code: 'FLT_WEAK_SECRET' })
}

function jwksVerifier(jwks: unknown, claims: Claims): Verify {
  // Without them every token of the same issuer, made for whatever other service, would be let in.
  if (claims.issuer === undefined || claims.audience === undefined)
    throw badOption('needs issuer and audience together with jwks')
  const keys = new KeySet(parseUrl(jwks))
  const options = { algorithms: ASYMMETRIC, ...claims }
  return async (token, log) => {
    const find: JWTVerifyGetKey = (header, jws) => keys.find(header, jws, log)
    try {
      return (await jwtVerify(token, find, options)).payload
    } catch (cause) {
      if (isOfToken(cause)) throw unauthorized(cause)
      keys.report(cause, log)
      const message = 'tokens cannot be checked now: their keys cannot be fetched; try again later'
      throw new FlotillaError('FLT_KEYS_AWAY', message, { cause })
    }
  }
}

/** As `URL` writes them. What is sent to them does not leave the machine. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

function parseUrl(jwks: unknown): URL {
  const text = jwks instanceof URL ? jwks.href : jwks
  if (typeof text !== 'string' || !URL.canParse(text)) throw badOption('needs the https URL of the keys as jwks')
  const url = new URL(text)
  // Over plain HTTP whoever is on the line can give out keys of their own, and let in anyone.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    throw badOption(`needs an https URL as jwks, not ${url.protocol}//${url.host}; http is for this machine alone`)
  if (url.username !== '' || url.password !== '') throw badOption('needs a URL without user and password as jwks')
  return url
}

/** What jose throws for itself is about the token; what is wrong with a key or its endpoint has other classes. */
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
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token was signed with a key that is not known here'
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return 'the token does not say which key signed it: give it a kid'
  return 'the token is malformed: send a signed JWT'
}

function badOption(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `authenticate ${message}`)
}
