import type { IncomingMessage } from 'node:http'
import { FlotillaError } from '../errors.ts'
import { isNormalPath } from '../modules/path.ts'

/** Bytes of a path: more than anyone needs, and few enough for every connection to keep its path. */
const MAX_PATH = 2_048

/** The target of an upgrade request. It is read once, so the router, `ctx.url` and the store use the same reading. */
export interface RequestTarget {
  /** Path and query. */
  readonly url: string
  readonly path: string
}

export function readTarget(request: IncomingMessage): RequestTarget {
  const url = originFormOf(request)
  const query = url.indexOf('?')
  return { url, path: query === -1 ? url : url.slice(0, query) }
}

/** Refuses a target that could be read as two different paths. */
export function targetFlawOf({ url, path }: RequestTarget): FlotillaError | undefined {
  if (path.length > MAX_PATH) return TOO_LONG
  return isNormalPath(path) && !url.includes('#') ? undefined : AMBIGUOUS
}

/**
 * A proxy may send the absolute form (RFC 9112 §3.2.2). If its host is not the one of the `Host` header, the URL stays
 * as it is, and is refused as ambiguous.
 */
function originFormOf({ url = '/', headers: { host = '' } }: IncomingMessage): string {
  if (url.startsWith('/')) return url
  const [origin = '', authority] = /^(?:http|ws)s?:\/\/([^#/?]*)/i.exec(url) ?? []
  if (authority?.toLowerCase() !== host.toLowerCase()) return url
  const rest = url.slice(origin.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

const TOO_LONG = new FlotillaError('FLT_PATH_TOO_LONG', `the path is longer than ${MAX_PATH} bytes: use a shorter one`)
const AMBIGUOUS = new FlotillaError(
  'FLT_BAD_HANDSHAKE',
  'the path is not in normal form (RFC 3986 §6.2.2): remove dot segments, repeated or encoded slashes, backslashes, ' +
    'control characters, the fragment and any other host; percent-encode, as UTF-8 in upper-case hexadecimal, only what must be',
)
