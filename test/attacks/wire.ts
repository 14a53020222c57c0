import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection to a server over which anything may be said, if need be from another address of this machine. */
export async function tcp(url: string, localAddress?: string): Promise<Socket> {
  const port = Number(new URL(url).port)
  const socket = connect({ port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) })
  // What is cut off is what the tests are about.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything that a server says until it hangs up. */
export async function answerOf(socket: Socket): Promise<string> {
  let answer = ''
  socket.on('data', (data) => (answer += data.toString('latin1')))
  // Not with once(): a reset is an end as well, and that would reject.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

/** Says raw bytes, and gives the answer. */
export async function exchange(url: string, bytes: string | Buffer): Promise<string> {
  const socket = await tcp(url)
  socket.write(bytes)
  return answerOf(socket)
}

/** A request as bytes. A header whose value is a list is there several times. */
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

/** A good handshake, but for what is changed. */
export function upgrade(
  path: string,
  changed: Readonly<Record<string, string | readonly string[] | undefined>> = {},
  body = '',
): string {
  return head(`GET ${path}`, { ...UPGRADE, ...changed }, body)
}
