import type { FlotillaError } from '../errors.ts'

/** The answer to a refused handshake: the error's status, with the error as JSON in the body. */
export function refuse(error: FlotillaError): Response {
  const headers = new Headers({ 'content-type': 'application/json' })
  // RFC 9110 §15.5.2: a 401 names the authentication scheme to use.
  if (error.status === 401) headers.set('www-authenticate', 'Bearer')
  if (error.status === 503 && error.retry) {
    const seconds = error.details?.['retryAfter']
    headers.set('retry-after', String(typeof seconds === 'number' ? seconds : 1))
  }
  // RFC 6455 §4.4: a 426 names the version that the server speaks.
  if (error.status === 426) {
    headers.set('sec-websocket-version', '13')
    headers.set('upgrade', 'websocket')
  }
  return new Response(JSON.stringify(error), { status: error.status, headers })
}
