import { type JWTPayload, SignJWT } from 'jose'
import { ExitCode, usageError } from '../common/cli-error.ts'
import { parseDuration } from './duration.ts'

export interface TokenOptions {
  readonly uid?: string
  readonly groups?: string
  readonly groupsClaim?: string
  readonly expires: string
  readonly tokenSecret?: string
  readonly tokenIssuer?: string
  readonly tokenAudience?: string
}

const MAX_UID_BYTES = 255
/** RFC 7518 §3.2: the secret must be as long as the hash. */
const MIN_SECRET = 32

/** `flotilla token`: prints a token for a user, to try a server with or to hand out from a script. */
export async function token(options: TokenOptions): Promise<number> {
  const { uid, expires, tokenSecret } = options
  if (!isId(uid)) throw usageError(`--uid takes the user's id, 1 to ${MAX_UID_BYTES} bytes`)
  if (!tokenSecret) throw usageError("--token-secret takes the server's secret (or set FLOTILLA_TOKEN_SECRET)")
  const seconds = parseDuration(expires)
  if (seconds === undefined) throw usageError(`--expires takes a time such as 90s, 15m, 1h or 7d, not "${expires}"`)
  const secret = new TextEncoder().encode(tokenSecret)
  const now = Math.floor(Date.now() / 1000)
  const signed = await new SignJWT(claimsOf(options))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(uid)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(secret)
  if (secret.length < MIN_SECRET) process.stderr.write(weakness(secret.length))
  process.stdout.write(`${signed}\n`)
  return ExitCode.ok
}

function weakness(length: number): string {
  const unit = length === 1 ? 'byte' : 'bytes'
  return `warning: the secret has only ${length} ${unit}, so whoever gets a token can guess it: use ${MIN_SECRET} random ones, such as "openssl rand -hex 32" prints\n`
}

function claimsOf({ groups, groupsClaim = 'groups', tokenIssuer, tokenAudience }: TokenOptions): JWTPayload {
  return {
    ...(groups !== undefined && { [groupsClaim]: parseGroups(groups) }),
    ...(tokenIssuer && { iss: tokenIssuer }),
    ...(tokenAudience && { aud: tokenAudience }),
  }
}

function parseGroups(joined: string): string[] {
  const groups = joined.split(',').map((group) => group.trim())
  if (groups.every(isId)) return groups
  throw usageError('--groups takes names separated by commas, such as red,blue')
}

function isId(text: string | undefined): text is string {
  return text !== undefined && text !== '' && Buffer.byteLength(text) <= MAX_UID_BYTES
}
