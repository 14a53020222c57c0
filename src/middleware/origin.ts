/** The origin that sandboxed frames and some pages of `file:` send: it could be any page. */
const OPAQUE = 'null'

/**
 * An origin in its normal form: in lower case, without a default port and without a slash at its end. The schemes of
 * apps and browser extensions are as good as https, and some of them have no host. Undefined for anything that is not
 * an origin, such as a URL with a path.
 */
export function normalOrigin(origin: string): string | undefined {
  if (origin.toLowerCase() === OPAQUE) return OPAQUE
  // `https:example.com` is a URL, too.
  if (!origin.includes('://') || !URL.canParse(origin)) return undefined
  const { protocol, host, pathname, search, hash, username, password } = new URL(origin)
  const isBare = pathname.length < 2 && !search && !hash && !username && !password
  return isBare ? `${protocol}//${host}`.toLowerCase() : undefined
}

/** Whether a page of this origin came from the host that a request names. Only pages of the web come from a host. */
export function isOfHost(origin: string, host: string): boolean {
  const normal = normalOrigin(origin)
  const scheme = /^https?:/.exec(normal ?? '')?.[0]
  return scheme !== undefined && normal === normalOrigin(`${scheme}//${host}`)
}
