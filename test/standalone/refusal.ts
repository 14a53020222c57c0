import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { type ClientOptions, WebSocket } from 'ws'

/** The answer to a refused handshake. */
export async function refusal(url: string, options: ClientOptions = {}): Promise<{ status: number; code: string }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options)
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  const { error } = JSON.parse(await text(response)) as { error: { code: string } }
  return { status: response.statusCode ?? 0, code: error.code }
}
