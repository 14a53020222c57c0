import type { IncomingMessage } from 'node:http'
import { FlotillaError } from '../errors.ts'
import { isNormalPath } from '../modules/path.ts'

/** Bytes of a path: more than anyone needs, and little enough for each connection to keep. */
const MAX_PATH = 2_048

/** What an upgrade asks for, read once: the router, `ctx.url` and the store all go by it. */
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

/** What could be read as two different paths is refused before anything is decided by one of them. */
export function targetFlawOf({ url, path }: RequestTarget): FlotillaError | undefined {
  if (path.length > MAX_PATH) return TOO_LONG
  return isNormalPath(path) && !url.includes('#') ? undefined : AMBIGUOUS
}

/** RFC 9112 §3.2.2: a proxy may ask in the absolute form. One that names another host than `Host` does is left as it is. */
function originFormOf({ url = '/', headers: { host = '' } }: IncomingMessage): string {
  if (url.startsWith('/')) return url
  const [origin = '', authority] = /^(?:http|ws)s?:\/\/([^#/?]*)/i.exec(url) ?? []
  if (authority?.toLowerCase() !== host.toLowerCase()) return url
  const rest = url.slice(origin.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

const TOO_LONG = new FlotillaError(
  'FLT_PATH_TOO_LONG',
  `the path is longer than ${MAX_PATH} bytes: ask for a shorter one`,
)
const AMBIGUOUS = new FlotillaError(
  'FLT_BAD_HANDSHAKE',
  'the path is not in normal form (RFC 3986 §6.2.2): it takes no dot segments, doubled or encoded slashes, backslashes, ' +
    'control characters, fragments or other hosts; encode what must be, as UTF-8 in upper-case hexadecimal, and nothing else',
)
