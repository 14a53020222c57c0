import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

/** A request must be put back whole, and a host's server may leave out headers beyond a number without a word. */
const MAX_HEADERS = 100

/**
 * Whether an `Upgrade` may be ignored (RFC 9110 §7.8), because it is not for WebSocket: some HTTP clients offer h2c with
 * whatever they ask for.
 */
export function isIgnorable({ headers, rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.length <= 2 * MAX_HEADERS && !/\bwebsocket\b/i.test(headers.upgrade ?? '')
}

/** Node has let go of the socket already: it is to read the request again, without `Upgrade`. */
export function putBack(
  server: HttpServer | HttpsServer,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
}
