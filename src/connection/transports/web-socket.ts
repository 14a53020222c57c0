import type { Duplex } from 'node:stream'
import { type RawData, WebSocket } from 'ws'
import type { EncodedMessage, OutboundMessage } from '../../outbound/outbound-message.ts'
import type { Transport } from '../../outbound/transport.ts'

/**
 * At most this many pongs are in flight. Of the pings after them, only the newest is answered (RFC 6455 §5.5.3), once
 * the kernel has taken a pong.
 */
const MAX_PONGS = 64

/** Is told what the client does on its WebSocket. */
export interface WebSocketListener {
  received(data: RawData, isBinary: boolean): void
  pinged(): void
  ponged(): void
  /** The client broke the protocol. `ws` closes the WebSocket by itself. */
  failed(error: Error): void
  /** A close frame is about to go out, and no message may follow it: the listener hands over what still waits. */
  closing(): void
  closed(code: number, reason: string): void
}

/**
 * A client's WebSocket. `ws` parses frames and writes control frames. Data frames are encoded elsewhere, once for all
 * receivers, and written to the raw socket. One listener object replaces the closures that each connection would need
 * otherwise.
 */
export class WebSocketTransport extends WebSocket implements Transport {
  #listener: WebSocketListener | undefined
  #raw: Duplex | undefined
  #deflateFrom: number | undefined
  #pongCount = 0
  #newestPing: Buffer | undefined

  /**
   * @param raw the socket that was upgraded
   * @param deflateFrom messages of at least this many bytes are compressed, if the client has agreed to compression
   */
  start(raw: Duplex, deflateFrom: number | undefined, listener: WebSocketListener): void {
    this.#raw = raw
    this.#deflateFrom = this.extensions === '' ? undefined : deflateFrom
    this.#listener = listener
    this.on('message', onMessage)
    this.on('ping', onPing)
    this.on('pong', onPong)
    this.on('close', onClose)
    this.on('error', onError)
  }

  isOn(sockets: ReadonlySet<Duplex>): boolean {
    return this.#raw !== undefined && sockets.has(this.#raw)
  }

  get listener(): WebSocketListener | undefined {
    return this.#listener
  }

  // ---- outbound

  encode(message: OutboundMessage): EncodedMessage {
    return this.#deflateFrom === undefined ? message.frame : message.deflatedFrame(this.#deflateFrom)
  }

  write(bytes: Buffer): void {
    this.#raw?.write(bytes)
  }

  get unsentLength(): number {
    return this.#raw?.writableLength ?? 0
  }

  get isStalled(): boolean {
    return this.unsentLength > 0 && this.#raw?.writableNeedDrain === true
  }

  onceDrained(drained: () => void): void {
    this.#raw?.once('drain', drained)
  }

  get isWritable(): boolean {
    return this.#raw?.writable === true && !this.isClosing
  }

  get isClosing(): boolean {
    return this.readyState !== this.OPEN
  }

  get isDelivered(): boolean {
    return this.#raw?.writableFinished === true
  }

  abort(): void {
    this.#raw?.destroy()
  }

  /**
   * Closes once the running code has ended. `ws` calls this as well, in the middle of a packet, when the client closes
   * or breaks the protocol. Nothing may follow a close frame, so the delay lets handlers that answer earlier messages
   * of that packet at once still send their answers.
   */
  override close(code?: number, reason?: string | Buffer): void {
    const close = (): void => {
      this.#listener?.closing()
      super.close(code, reason)
    }
    // A tick that is scheduled in a microtask runs after all microtasks, and before the next event of any socket.
    queueMicrotask(() => process.nextTick(close))
  }

  // ---- control frames

  /** Answers a ping. The `autoPong` of `ws` is off, because it cuts off a client that sends many pings at once. */
  answer(ping: Buffer): void {
    if (this.readyState !== this.OPEN) return
    if (this.#pongCount >= MAX_PONGS) {
      this.#newestPing = ping
      return
    }
    this.#pongCount++
    this.pong(ping, false, () => this.#ponged())
  }

  #ponged(): void {
    this.#pongCount--
    const ping = this.#newestPing
    this.#newestPing = undefined
    if (ping !== undefined) this.answer(ping)
  }
}

function onMessage(this: unknown, data: RawData, isBinary: boolean): void {
  listenerOf(this)?.received(data, isBinary)
}

function onPing(this: unknown): void {
  listenerOf(this)?.pinged()
}

function onPong(this: unknown): void {
  listenerOf(this)?.ponged()
}

function onClose(this: unknown, code: number, reason: Buffer): void {
  listenerOf(this)?.closed(code, reason.toString())
}

function onError(this: unknown, error: Error): void {
  listenerOf(this)?.failed(error)
}

function listenerOf(socket: unknown): WebSocketListener | undefined {
  return (socket as WebSocketTransport).listener
}
