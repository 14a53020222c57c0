import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

/**
 * The request must be put back completely, and an attached server may silently drop headers beyond a limit of its own.
 */
const MAX_HEADERS = 100

/**
 * Whether an `Upgrade` header may be ignored (RFC 9110 §7.8), because it does not ask for WebSocket: some HTTP clients
 * offer h2c with every request.
 */
export function isIgnorable({ headers, rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.length <= 2 * MAX_HEADERS && !/\bwebsocket\b/i.test(headers.upgrade ?? '')
}

/** Makes the server read the request again, without `Upgrade`: Node has already detached the socket from its parser. */
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
