/**
 * The path of a request as the client sent it, also in the absolute form (RFC 9112 §3.2.2). `URL` would fold dots: then
 * `/api/users/..` would be `/api/`, although `..` is a uid like any other, and `http://host/x/../api/nodes` would pass
 * a proxy that keeps `/api/` to itself. A fragment, which no request may have, stays in it: otherwise `/metrics#x` would
 * pass a proxy that denies `/metrics`.
 */
export function requestPath(target: string): string {
  const local = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '')
  const end = local.indexOf('?')
  const path = end === -1 ? local : local.slice(0, end)
  return path === '' ? '/' : path
}
