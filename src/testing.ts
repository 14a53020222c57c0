// Helpers for testing applications built on Flotilla: a server on a free port, and clients that collect their messages.
import { once } from 'node:events'
import { type RawData, WebSocket } from 'ws'
import { memory } from './drivers/memory/memory.ts'
import { checkNames } from './lib/checked-names.ts'
import type { ServerOptions } from './options.ts'
import { createServer, type Server } from './server.ts'

/** A server for tests. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server
  /** The server's URL, `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Connects a client to a path of this server. */
  connect(path: string, options?: ConnectOptions): Promise<TestClient>
  /** Closes the clients and the server. */
  close(): Promise<void>
}

/** Headers and subprotocols of the handshake. */
export interface ConnectOptions {
  headers?: Record<string, string>
  protocols?: string[]
}

/** Starts a server on a free port of 127.0.0.1, with a memory driver of its own if no driver is given. */
export async function startTestServer(options: ServerOptions): Promise<TestServer> {
  const server = createServer({ driver: memory({ isolated: true }), ...options })
  const url = await server.listen(0)
  const clients: TestClient[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) client.close()
    await server.close()
  }
  return {
    server,
    url,
    close,
    async connect(path, connectOptions) {
      const client = await connect(`${url}${path}`, connectOptions)
      clients.push(client)
      return client
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Connects a client. Resolves once the connection is open; rejects with the server's answer if that refuses it. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
  checkNames('connect', options, ['headers', 'protocols'])
  const { headers = {}, protocols = [] } = options
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { headers })
  const client = new TestClient(socket)
  await once(socket, 'open')
  return client
}

/** A client that keeps the messages it receives until the test asks for them. */
export class TestClient {
  readonly socket: WebSocket
  /** Resolves when the connection has closed. */
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #received: (string | Uint8Array)[] = []
  readonly #waiting: ((message: string | Uint8Array) => void)[] = []

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data, isBinary) => this.#take(data, isBinary))
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  /** The next message, as a string or as bytes. Waits for it if none has arrived. */
  next(): Promise<string | Uint8Array> {
    const ready = this.#received.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The next message, parsed as JSON. */
  async nextJson(): Promise<unknown> {
    return JSON.parse(String(await this.next()))
  }

  /** The messages that have arrived and that `next` has not returned yet. */
  get received(): readonly (string | Uint8Array)[] {
    return this.#received
  }

  /** Sends a message: a string as text, a `Uint8Array` as bytes, and anything else as JSON. */
  send(message: unknown): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array
    this.socket.send(isRaw ? message : JSON.stringify(message))
  }

  close(code?: number): void {
    this.socket.close(code)
  }

  #take(data: RawData, isBinary: boolean): void {
    const message = isBinary ? new Uint8Array(data as Buffer) : (data as Buffer).toString()
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#received.push(message)
    else waiting(message)
  }
}
