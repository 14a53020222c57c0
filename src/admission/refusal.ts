import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { withDeadline } from '../lib/deadline.ts'

/**
 * Headers that only this file sets. A length beside a transfer coding makes a proxy read two answers as one, or one as
 * two.
 */
const FRAMING = new Set(['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'upgrade', 'trailer'])

/**
 * Writes a `Response` to a socket that asked for an upgrade, and ends the socket. `headers` are those that middleware
 * has set; the headers of the response itself win.
 */
export function writeRefusal(socket: Duplex, response: Response, body: Buffer, headers?: Headers): void {
  // The client may disconnect before the answer is written, which is no error of ours.
  socket.on('error', ignore)
  if (!socket.writable) return
  // `Response.error()` has the status 0, which cannot be sent.
  const status = response.status < 200 ? 500 : response.status
  const lines = [`HTTP/1.1 ${status} ${response.statusText || (STATUS_CODES[status] ?? '')}`, 'connection: close']
  for (const [name, value] of merge(headers, response.headers)) {
    if (!FRAMING.has(name) || (name === 'upgrade' && status === 426)) lines.push(`${name}: ${value}`)
  }
  lines.push(`content-length: ${body.length}`)
  linger(socket)
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]))
}

/**
 * Reads a response's body from a clone, because a handshake may return the same response every time. Rejects if the
 * body fails, or has not ended after `wait` ms. The rest of the body is not read then.
 */
export async function bodyOf(response: Response, wait: number, tooSlow: () => Error): Promise<Buffer> {
  const reader = response.clone().body?.getReader()
  if (reader === undefined) return Buffer.alloc(0)
  try {
    return await withDeadline(readAll(reader), wait, tooSlow)
  } finally {
    void reader.cancel().catch(ignore)
  }
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let read = await reader.read(); !read.done; read = await reader.read()) chunks.push(read.value)
  return Buffer.concat(chunks)
}

/** ms that a refused client has to read its answer. */
const LINGER = 1_000

/**
 * Reads and drops what the client still sends until it ends the connection, or until the time is up. Destroying a
 * socket that has unread bytes resets the connection, and then the client may lose the answer (RFC 9112 §9.6).
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

function ignore(): void {}
