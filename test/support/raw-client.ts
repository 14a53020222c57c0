import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './until.ts'

/** A frame as it came over the wire (RFC 6455 §5.2). */
export interface RawFrame {
  readonly fin: boolean
  readonly rsv1: boolean
  readonly opcode: number
  readonly payload: Buffer
}

export interface RawFrameInit {
  readonly fin?: boolean
  readonly rsv1?: boolean
  /** Default 1, a text. */
  readonly opcode?: number
}

/** A WebSocket client that says what it is told to, right or wrong, and shows frames as they come. */
export class RawClient implements Disposable {
  /** The server's answer to the handshake. */
  readonly answer: string
  readonly #socket: Socket
  readonly #frames: RawFrame[] = []
  #taken = 0
  #rest: Buffer

  static async connect(url: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const lines = Object.entries({ ...HEADERS, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    let received = Buffer.alloc(0)
    while (!received.includes('\r\n\r\n')) {
      const [data] = (await once(socket, 'data')) as [Buffer]
      received = Buffer.concat([received, data])
    }
    const end = received.indexOf('\r\n\r\n')
    return new RawClient(socket, received.toString('latin1', 0, end), received.subarray(end + 4))
  }

  private constructor(socket: Socket, answer: string, rest: Buffer) {
    this.answer = answer
    this.#socket = socket
    this.#rest = rest
    socket.on('data', (data) => this.#received(data))
    socket.on('error', () => {})
    this.#received(Buffer.alloc(0))
  }

  /** What the server said to the extensions that were offered. */
  get extensions(): string | undefined {
    return /^sec-websocket-extensions: (.*)$/im.exec(this.answer)?.[1]?.trim()
  }

  send(data: string | Uint8Array, { fin = true, rsv1 = false, opcode = 1 }: RawFrameInit = {}): void {
    const payload = Buffer.from(data)
    const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10)
    header[0] = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
    header[1] = 0x80 | (header.length === 2 ? payload.length : header.length === 4 ? 126 : 127)
    if (header.length === 4) header.writeUInt16BE(payload.length, 2)
    if (header.length === 10) header.writeBigUInt64BE(BigInt(payload.length), 2)
    // Masked with zeros, which leaves the payload as it is.
    this.#socket.write(Buffer.concat([header, Buffer.alloc(4), payload]))
  }

  /** Bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Resolves once the server has ended the connection. */
  async ended(): Promise<void> {
    await until('the server ends the connection', () => this.#socket.destroyed || this.#socket.readableEnded, {
      every: 2,
    })
  }

  /** Reads no more: it does not see that the server ends the connection, and keeps its side of it open. */
  pause(): void {
    this.#socket.pause()
  }

  /** The next frame that was not taken yet. */
  async next(): Promise<RawFrame> {
    await until('a frame comes', () => this.#frames.length > this.#taken, { every: 2 })
    return this.#frames[this.#taken++]!
  }

  /** The close code that the server sends, after whatever it sends before. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.next()
      if (opcode === CLOSE) return payload.readUInt16BE()
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #received(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data])
    for (let frame = this.#parse(); frame !== undefined; frame = this.#parse()) this.#frames.push(frame)
  }

  #parse(): RawFrame | undefined {
    const rest = this.#rest
    if (rest.length < 2) return undefined
    const [first, second] = [rest[0]!, rest[1]!]
    const start = second < 126 ? 2 : second === 126 ? 4 : 10
    if (rest.length < start) return undefined
    const length = second < 126 ? second : second === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2))
    if (rest.length < start + length) return undefined
    this.#rest = rest.subarray(start + length)
    const payload = rest.subarray(start, start + length)
    return { fin: (first & 0x80) !== 0, rsv1: (first & 0x40) !== 0, opcode: first & 0xf, payload }
  }
}

const CLOSE = 8
const HEADERS = {
  Host: 'x',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}
