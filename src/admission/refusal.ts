import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { withDeadline } from '../lib/deadline.ts'

/** Ours to say: a length beside a transfer coding lets what is in between read two answers as one, or one as two. */
const FRAMING = new Set(['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'upgrade', 'trailer'])

/**
 * Writes a `Response` to a socket that was to be upgraded, and ends it. What middleware put on the answer goes out with
 * it; the response's own headers win.
 */
export function writeRefusal(socket: Duplex, response: Response, body: Buffer, headers?: Headers): void {
  // The client may be gone before the answer is: nobody has to know.
  socket.on('error', ignore)
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

/**
 * The body of a response, which stays whole: a handshake may return the same one every time. Rejects if the body is a
 * stream that fails, or has not ended after `wait` ms; then it is not read any further.
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

function ignore(): void {}
