import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** Ours to say: a length beside a transfer coding lets what is in between read two answers as one, or one as two. */
const FRAMING = new Set(['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'upgrade', 'trailer'])

/**
 * Writes a `Response` to a socket that was to be upgraded, and ends it. What middleware put on the answer goes out with
 * it; the response's own headers win. The response itself stays whole: a handshake may return the same one every time.
 */
export async function writeRefusal(socket: Duplex, response: Response, headers?: Headers): Promise<void> {
  // The client may be gone before the answer is: nobody has to know.
  socket.on('error', () => {})
  const body = Buffer.from(await response.clone().arrayBuffer())
  if (!socket.writable) return
  // A network error (`Response.error()`) has the status 0, which no answer can bear.
  const status = response.status < 200 ? 500 : response.status
  const lines = [`HTTP/1.1 ${status} ${response.statusText || (STATUS_CODES[status] ?? '')}`, 'connection: close']
  for (const [name, value] of merge(headers, response.headers)) {
    if (!FRAMING.has(name) || (name === 'upgrade' && status === 426)) lines.push(`${name}: ${value}`)
  }
  lines.push(`content-length: ${body.length}`)
  linger(socket)
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]))
}

/** ms that a refused client has to read why. */
const LINGER = 1_000

/**
 * What it still sends is read and dropped until it ends, or its time is over: a socket that is destroyed with bytes unread
 * resets the connection, and the reset may take the answer from the client (RFC 9112 §9.6).
 */
function linger(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}

function merge(outer: Headers | undefined, own: Headers): Headers {
  const merged = new Headers(outer)
  for (const [name, value] of own) {
    if (name === 'set-cookie') merged.append(name, value)
    else merged.set(name, value)
  }
  return merged
}
