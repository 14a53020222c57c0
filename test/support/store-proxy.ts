import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A proxy between a client and its Redis that can lose replies: Redis runs the command, but the client hears nothing.
 */
export class StoreProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #trigger: string | undefined
  #lostCount = 0

  private constructor(port: number) {
    this.#server = createServer((client) => this.#join(client, connect(port, '127.0.0.1')))
  }

  static async start(port: number): Promise<StoreProxy> {
    const proxy = new StoreProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How many connections have lost replies. */
  get lostCount(): number {
    return this.#lostCount
  }

  /** The connection that first sends a command containing this text gets no more replies, from that command on. */
  loseRepliesFrom(text: string): void {
    this.#trigger = text
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, store: Socket): void {
    let isLosing = false
    client.on('data', (asked) => {
      if (this.#trigger !== undefined && asked.includes(this.#trigger)) {
        this.#trigger = undefined
        this.#lostCount++
        isLosing = true
      }
      store.write(asked)
    })
    store.on('data', (reply) => {
      if (!isLosing) client.write(reply)
    })
    for (const [socket, other] of [
      [client, store],
      [store, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
  }
}
