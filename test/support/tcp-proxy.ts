import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** The faults of the line. Several may apply at once. */
export interface Trouble {
  /** The delay of every chunk in ms, give or take half. */
  readonly delay?: number
  /** The most bytes that arrive at once, so that no reader sees a whole message. */
  readonly slice?: number
  /** Nothing passes in either direction until the line heals, and neither end is told. New connections hang, too. */
  readonly isHeld?: boolean
  /** The server's answers are thrown away: it did its work, but the client does not know. */
  readonly swallowsReplies?: boolean
  /** New connections are closed at once. */
  readonly refuses?: boolean
}

/** A proxy to a TCP server, on 127.0.0.1, that can behave as badly as a real network. */
export class TcpProxy {
  readonly #server: Server
  readonly #target: number
  readonly #random: () => number
  readonly #lines = new Set<Line>()
  #trouble: Trouble = {}

  private constructor(server: Server, target: number, random: () => number) {
    this.#server = server
    this.#target = target
    this.#random = random
    server.on('connection', (client) => this.#connected(client))
  }

  static async start(target: number, random: () => number = Math.random): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new TcpProxy(server, target, random)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  trouble(trouble: Trouble): void {
    this.#trouble = trouble
    for (const line of this.#lines) line.changed()
  }

  /** Heals the line, and cuts connections that have lost replies, because their two ends no longer agree. */
  heal(): void {
    for (const line of this.#lines) if (line.hasSwallowed) line.cut()
    this.trouble({})
  }

  /** Breaks all present connections. New ones pass. */
  cut(): void {
    for (const line of this.#lines) line.cut()
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #connected(client: Socket): void {
    if (this.#trouble.refuses === true) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    const line: Line = new Line(client, server, this.#random, {
      trouble: () => this.#trouble,
      ended: () => this.#lines.delete(line),
    })
    this.#lines.add(line)
    line.changed()
  }
}

interface LineHooks {
  readonly trouble: () => Trouble
  readonly ended: () => void
}

/** One connection through the proxy. */
class Line {
  readonly #client: Socket
  readonly #server: Socket
  readonly #random: () => number
  readonly #hooks: LineHooks
  hasSwallowed = false

  constructor(client: Socket, server: Socket, random: () => number, hooks: LineHooks) {
    this.#client = client
    this.#server = server
    this.#random = random
    this.#hooks = hooks
    this.#join(client, server, false)
    this.#join(server, client, true)
    for (const socket of [client, server]) socket.on('error', () => this.cut())
  }

  changed(): void {
    for (const socket of [this.#client, this.#server]) {
      if (this.#hooks.trouble().isHeld === true) socket.pause()
      else socket.resume()
    }
  }

  cut(): void {
    this.#client.resetAndDestroy()
    this.#server.destroy()
    this.#hooks.ended()
  }

  #join(from: Socket, to: Socket, isReply: boolean): void {
    // Chunks stay in order, however long each of them takes.
    let passed: Promise<void> | undefined
    const pass = (work: () => Promise<void>): void => {
      const mine = (passed ?? Promise.resolve()).then(work).finally(() => {
        if (passed === mine) passed = undefined
      })
      passed = mine
    }
    from.on('data', (chunk) => {
      const { delay = 0, slice = 0, swallowsReplies = false } = this.#hooks.trouble()
      if (isReply && swallowsReplies) {
        this.hasSwallowed = true
        return
      }
      if (delay === 0 && slice === 0 && passed === undefined) {
        write(from, to, chunk)
        return
      }
      // The delay runs from now, not from when earlier chunks have passed: latency does not limit throughput.
      const due = performance.now() + delay * (0.5 + this.#random())
      pass(() => this.#passLate(to, chunk, due, slice))
    })
    from.on('end', () => {
      if (passed === undefined) to.end()
      else
        pass(async () => {
          to.end()
        })
    })
    from.on('close', () => {
      this.#hooks.ended()
      if (passed === undefined) to.destroySoon()
      else pass(async () => to.destroySoon())
    })
  }

  async #passLate(to: Socket, chunk: Buffer, due: number, slice: number): Promise<void> {
    const left = due - performance.now()
    if (left > 0) await sleep(left)
    for (let start = 0; start < chunk.length && !to.destroyed;) {
      const end = slice === 0 ? chunk.length : start + 1 + Math.floor(this.#random() * slice)
      to.write(chunk.subarray(start, end))
      start = end
      if (slice > 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

function write(from: Socket, to: Socket, chunk: Buffer): void {
  if (to.destroyed || to.write(chunk)) return
  from.pause()
  to.once('drain', () => from.resume())
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
