import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Opcode, type RawFrame, rawFrame, type RawFrameInit, RawFrameParser } from './raw-frame.ts'
import { until } from './until.ts'

/** A WebSocket client that sends any bytes, valid or not, and shows frames as they arrive. */
export class RawClient implements Disposable {
  /** The server's answer to the handshake. */
  readonly answer: string
  /** Every frame that has arrived, including the ones that the test has taken. */
  readonly frames: RawFrame[] = []
  readonly #socket: Socket
  readonly #parser = new RawFrameParser()
  #taken = 0
  #hasEnded = false

  /** @param first bytes that go out in the same packet as the handshake */
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

  /** The server's answer to the extensions that the client offered. */
  get extensions(): string | undefined {
    return /^sec-websocket-extensions: (.*)$/im.exec(this.answer)?.[1]?.trim()
  }

  /** Whether the server has ended the TCP connection. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The bytes of a frame that has not arrived in full. */
  get rest(): number {
    return this.#parser.rest
  }

  send(data: string | Uint8Array, init?: RawFrameInit): void {
    this.write(rawFrame(data, init))
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Writes `size` bytes in each turn of the event loop, so that a server in this process reads them in pieces. */
  async writeChopped(bytes: Uint8Array, size: number): Promise<void> {
    for (let begin = 0; begin < bytes.length && !this.#hasEnded; begin += size) {
      this.write(bytes.subarray(begin, begin + size))
      await nextTurn()
    }
  }

  /** Stops reading, as a stalled client does. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Sends a FIN, without a close frame before it. */
  end(): void {
    this.#socket.end()
  }

  /** Sends an RST. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Sends the same frame `count` times, in one write. */
  sendMany(data: string | Uint8Array, count: number, init?: RawFrameInit): void {
    const frame = rawFrame(data, init)
    this.write(Buffer.concat(Array.from({ length: count }, () => frame)))
  }

  /** The next frame that the test has not taken yet. */
  async next(): Promise<RawFrame> {
    await until('a frame comes', () => this.frames.length > this.#taken, { every: 2 })
    return this.frames[this.#taken++]!
  }

  /** Waits for the server's close frame, whatever comes before it, and returns its code. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.next()
      if (opcode === Opcode.close) return payload.readUInt16BE()
    }
  }

  /** The code of the server's close frame, if that has arrived. */
  get closedWith(): number | undefined {
    return this.frames.find(({ opcode }) => opcode === Opcode.close)?.payload.readUInt16BE()
  }

  /** Whether the connection is over: the server ended it, or the socket is closed. */
  get isClosed(): boolean {
    return this.#hasEnded || this.#socket.closed
  }

  /** Resolves once the kernel has taken all bytes, or the server has ended the connection. */
  async drained(): Promise<void> {
    // Otherwise a test that sends without end would never notice that the server has ended the connection.
    await nextTurn()
    await until('it drains', () => this.isClosed || this.#socket.writableLength === 0, { every: 1 })
  }

  /** Resolves once `frameCount` frames have arrived, or the server has ended the connection. */
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
