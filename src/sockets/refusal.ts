import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** Writes a `Response` to a socket that was to be upgraded, and ends it. */
export async function writeRefusal(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer())
  if (!socket.writable) return
  const { status } = response
  const lines = [`HTTP/1.1 ${status} ${response.statusText || (STATUS_CODES[status] ?? '')}`, 'connection: close']
  for (const [name, value] of response.headers) {
    if (name !== 'connection' && name !== 'content-length') lines.push(`${name}: ${value}`)
  }
  lines.push(`content-length: ${body.length}`)
  socket.once('finish', () => socket.destroy())
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
}
