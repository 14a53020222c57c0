import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A raw connection to a server, from another address of this machine if `localAddress` is given. */
export async function tcp(url: string, localAddress?: string): Promise<Socket> {
  const port = Number(new URL(url).port)
  const socket = connect({ port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) })
  // The tests are about connections that are cut off.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything that a server sends until it ends the connection. */
export async function answerOf(socket: Socket): Promise<string> {
  let answer = ''
  socket.on('data', (data) => (answer += data.toString('latin1')))
  // Not `once()`, which would reject on a reset: a reset is an end, too.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

/** Sends raw bytes, and returns the answer. */
export async function exchange(url: string, bytes: string | Buffer): Promise<string> {
  const socket = await tcp(url)
  socket.write(bytes)
  return answerOf(socket)
}

/** A request as bytes. A header whose value is a list appears once for each entry. */
export function head(
  line: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body = '',
): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
  )
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

const UPGRADE = {
  Host: 'x',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

/** A valid handshake, except for the given changes. */
export function upgrade(
  path: string,
  changed: Readonly<Record<string, string | readonly string[] | undefined>> = {},
  body = '',
): string {
  return head(`GET ${path}`, { ...UPGRADE, ...changed }, body)
}
