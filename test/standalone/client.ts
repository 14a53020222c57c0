import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { type ClientOptions, WebSocket } from 'ws'

/** A plain WebSocket client that keeps what it got until it is asked for. */
export class Client {
  readonly #socket: WebSocket
  readonly #messages: (string | Buffer)[] = []
  readonly closed: Promise<{ code: number; reason: string }>

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#messages.push(isBinary ? data : data.toString())
      socket.emit('kept')
    })
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }))
  }

  get protocol(): string {
    return this.#socket.protocol
  }

  send(data: string | Uint8Array): void {
    this.#socket.send(data)
  }

  async next(): Promise<string | Buffer> {
    while (this.#messages.length === 0) await once(this.#socket, 'kept')
    return this.#messages.shift()!
  }
}

export async function connect(
  t: TestContext,
  url: string,
  options: ClientOptions = {},
  protocols: string[] = [],
): Promise<Client> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, options)
  t.after(() => socket.terminate())
  const client = new Client(socket)
  await once(socket, 'open')
  return client
}

/** The answer to a handshake that is refused. */
export async function refusal(url: string, options: ClientOptions = {}): Promise<{ status: number; body: unknown }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options)
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  return { status: response.statusCode ?? 0, body: JSON.parse(await text(response)) }
}
