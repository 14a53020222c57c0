import { once } from 'node:events'
import { WebSocket } from 'ws'

const PATIENCE = 60_000

interface Answer {
  readonly id?: number
  readonly error?: { readonly code: string }
}

/** One connection of a client: sends a command and waits for its answer. */
export class Session {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>()
  readonly #onMessage: () => void
  #lastId = 0

  private constructor(socket: WebSocket, onMessage: () => void) {
    this.#socket = socket
    this.#onMessage = onMessage
    socket.on('message', (data: Buffer) => this.#hear(data))
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const resolve of this.#waiting.values()) resolve(undefined)
      this.#waiting.clear()
    })
  }

  /** @param onMessage called for each message that was pushed to the client */
  static async open(url: string, onMessage: () => void): Promise<Session> {
    const socket = new WebSocket(url, { handshakeTimeout: PATIENCE })
    const session = new Session(socket, onMessage)
    await once(socket, 'open')
    return session
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  /**
   * Resolves to the error code with which the node answered the command, or to undefined if the command succeeded or
   * the connection closed meanwhile.
   */
  async ask(cmd: string, data?: unknown): Promise<string | undefined> {
    if (!this.isOpen) return undefined
    const id = ++this.#lastId
    let timer: NodeJS.Timeout | undefined
    const answered = new Promise<Answer | undefined>((resolve) => {
      this.#waiting.set(id, resolve)
      timer = setTimeout(() => resolve({ error: { code: 'no answer' } }), PATIENCE)
    })
    this.#socket.send(JSON.stringify({ cmd, data, id }))
    const answer = await answered
    clearTimeout(timer)
    return answer?.error?.code
  }

  /** Stops reading. */
  stall(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    const timer = setTimeout(() => this.#socket.terminate(), PATIENCE)
    await closed
    clearTimeout(timer)
  }

  /** Ends the connection without a closing handshake. */
  vanish(): void {
    this.#socket.terminate()
  }

  #hear(data: Buffer): void {
    // An answer begins with its id; a pushed message begins differently.
    if (!data.subarray(0, ANSWER.length).equals(ANSWER)) return this.#onMessage()
    const answer = JSON.parse(data.toString()) as Answer
    if (answer.id === undefined) return
    this.#waiting.get(answer.id)?.(answer)
    this.#waiting.delete(answer.id)
  }
}

const ANSWER = Buffer.from('{"id":')
