import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Opcode, type RawFrame, rawFrame, type RawFrameInit, RawFrameParser } from './raw-frame.ts'
import { until } from './until.ts'

/** A WebSocket client that says what it is told to, right or wrong, and shows frames as they come. */
export class RawClient implements Disposable {
  /** The server's answer to the handshake. */
  readonly answer: string
  /** Every frame that came, the ones that were taken as well. */
  readonly frames: RawFrame[] = []
  readonly #socket: Socket
  readonly #parser = new RawFrameParser()
  #taken = 0
  #hasEnded = false

  /** @param first what goes out in one packet with the handshake */
  static async connect(
    url: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    first: Uint8Array = Buffer.alloc(0),
  ): Promise<RawClient> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').setNoDelay()
    const lines = Object.entries({ ...HEADERS, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(Buffer.concat([Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), first]))
    let received = Buffer.alloc(0)
    const hungUp = new AbortController()
    socket.once('close', () => hungUp.abort())
    while (!received.includes('\r\n\r\n')) {
      const [data] = (await once(socket, 'data', hungUp)) as [Buffer]
      received = Buffer.concat([received, data])
    }
    const end = received.indexOf('\r\n\r\n')
    return new RawClient(socket, received.toString('latin1', 0, end), received.subarray(end + 4))
  }

  private constructor(socket: Socket, answer: string, rest: Buffer) {
    this.answer = answer
    this.#socket = socket
    socket.on('data', (data) => this.frames.push(...this.#parser.add(data)))
    socket.on('error', () => {})
    for (const event of ['end', 'close']) socket.once(event, () => (this.#hasEnded = true))
    this.frames.push(...this.#parser.add(rest))
  }

  /** What the server said to the extensions that were offered. */
  get extensions(): string | undefined {
    return /^sec-websocket-extensions: (.*)$/im.exec(this.answer)?.[1]?.trim()
  }

  /** The server has ended the TCP connection. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Bytes of a frame that did not come whole. */
  get rest(): number {
    return this.#parser.rest
  }

  send(data: string | Uint8Array, init?: RawFrameInit): void {
    this.write(rawFrame(data, init))
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Writes so many bytes in each turn of the event loop, so that a server in this process reads them in pieces. */
  async writeChopped(bytes: Uint8Array, size: number): Promise<void> {
    for (let begin = 0; begin < bytes.length && !this.#hasEnded; begin += size) {
      this.write(bytes.subarray(begin, begin + size))
      await nextTurn()
    }
  }

  /** Reads no more, as a stalled client does. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** FIN: sends nothing any more, and no close frame before. */
  end(): void {
    this.#socket.end()
  }

  /** RST */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** The same frame so many times, in one write. */
  sendMany(data: string | Uint8Array, count: number, init?: RawFrameInit): void {
    const frame = rawFrame(data, init)
    this.write(Buffer.concat(Array.from({ length: count }, () => frame)))
  }

  /** The next frame that was not taken yet. */
  async next(): Promise<RawFrame> {
    await until('a frame comes', () => this.frames.length > this.#taken, { every: 2 })
    return this.frames[this.#taken++]!
  }

  /** The close code that the server sends, after whatever it sends before. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.next()
      if (opcode === Opcode.close) return payload.readUInt16BE()
    }
  }

  /** The code that the server closed with, if it has said so already. */
  get closedWith(): number | undefined {
    return this.frames.find(({ opcode }) => opcode === Opcode.close)?.payload.readUInt16BE()
  }

  /** Whether the server has hung up. */
  get isClosed(): boolean {
    return this.#hasEnded || this.#socket.closed
  }

  /** Resolves once the kernel has taken what was sent, or the server has hung up. */
  async drained(): Promise<void> {
    // Else who sends without end would never hear that the server has hung up.
    await nextTurn()
    await until('it drains', () => this.isClosed || this.#socket.writableLength === 0, { every: 1 })
  }

  /** Resolves once so many frames are here, or the server has ended. */
  async waitFor(frameCount: number): Promise<void> {
    await until(`${frameCount} frames come`, () => this.#hasEnded || this.frames.length >= frameCount, { every: 2 })
  }

  async ended(timeout?: number): Promise<void> {
    await until('the server ends', () => this.#hasEnded, { every: 2, ...(timeout === undefined ? {} : { timeout }) })
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

const HEADERS = {
  Host: 'x',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}
