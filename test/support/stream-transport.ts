import type { Duplex } from 'node:stream'
import type { EncodedMessage, OutboundMessage } from '../../src/outbound/outbound-message.ts'
import type { Transport } from '../../src/outbound/transport.ts'

/** Frames on a plain stream, without the WebSocket around them. */
export class StreamTransport implements Transport {
  isClosing = false
  readonly #stream: Duplex
  readonly #deflateFrom: number | undefined

  constructor(stream: Duplex, deflateFrom?: number) {
    this.#stream = stream
    this.#deflateFrom = deflateFrom
  }

  encode(message: OutboundMessage): EncodedMessage {
    return this.#deflateFrom === undefined ? message.frame : message.deflatedFrame(this.#deflateFrom)
  }

  write(bytes: Buffer): void {
    this.#stream.write(bytes)
  }

  get unsentLength(): number {
    return this.#stream.writableLength
  }

  get isStalled(): boolean {
    return this.#stream.writableLength > 0 && this.#stream.writableNeedDrain
  }

  onceDrained(drained: () => void): void {
    this.#stream.once('drain', drained)
  }

  get isWritable(): boolean {
    return this.#stream.writable && !this.isClosing
  }

  get isDelivered(): boolean {
    return this.#stream.writableFinished
  }

  close(): void {
    this.isClosing = true
  }

  abort(): void {
    this.#stream.destroy()
  }
}
