import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import { until } from './until.ts'

export interface ConnectOptions extends ClientOptions {
  readonly path?: string
  /** For dev mode: the user that connects, and its groups. */
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly token?: string
  readonly query?: Readonly<Record<string, string>>
  readonly protocols?: readonly string[]
}

/** A WebSocket client that keeps the messages it receives: a text as a string, bytes as a Buffer. */
export class TestClient {
  readonly socket: WebSocket
  readonly received: (string | Buffer)[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #taken = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, binary) => this.received.push(binary ? data : data.toString()))
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  get texts(): string[] {
    return this.received.map(String)
  }

  /** The next message that `next` has not returned yet. */
  async next(): Promise<string | Buffer> {
    await this.waitFor(this.#taken + 1)
    return this.received[this.#taken++]!
  }

  /** Waits until `count` messages have arrived in all. */
  async waitFor(count: number, timeout?: number): Promise<void> {
    const enough = (): boolean => this.received.length >= count
    await until(`${count} messages come`, enough, { every: 2, ...(timeout === undefined ? {} : { timeout }) })
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data)
  }

  /** Stops reading, as a stalled client does. The connection stays open. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  async close(code?: number): Promise<{ code: number; reason: string }> {
    this.socket.close(code)
    return this.closed
  }

  /** Vanishes without a close frame. */
  async vanish(): Promise<void> {
    this.socket.terminate()
    await this.closed
  }
}

/**
 * Resolves once the connection is open. Rejects with a RefusedError if it is refused.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
  const { path = '/ws', uid, groups, token, query = {}, protocols = [], ...rest } = options
  const target = new URL(path, url.replace(/^http/, 'ws'))
  const parameters = {
    ...query,
    ...(uid && { uid }),
    ...(groups && { groups: groups.join(',') }),
    ...(token && { token }),
  }
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value)
  const client = new TestClient(new WebSocket(target, [...protocols], rest))
  await once(client.socket, 'open')
  return client
}
