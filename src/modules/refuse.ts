import type { ErrorCode, FlotillaError } from '../errors.ts'

const codes = new WeakMap<Response, ErrorCode>()

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
  const response = new Response(JSON.stringify(error), { status: error.status, headers })
  codes.set(response, error.code)
  return response
}

/** The code of the error that the response was made of; `undefined` for a response that a module made itself. */
export function refusedWith(response: Response): ErrorCode | undefined {
  return codes.get(response)
}
