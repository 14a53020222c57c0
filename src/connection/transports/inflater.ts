import { inflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'
import { CloseCode } from '../../wire/close-codes.ts'

type Done = (error: Error | null, data?: Buffer) => void

/**
 * The private field in which a `WebSocket` of `ws` keeps its extensions. The receiver of `ws` calls only these two
 * methods of an extension.
 */
interface Extended {
  readonly _extensions: Record<string, Pick<Inflater, 'decompress' | 'cleanup'>>
}

/**
 * Inflates the compressed messages of one client (RFC 7692 §7.2.2). It replaces the inflater of `ws`, which keeps a
 * zlib context per connection after the first message, and which delivers the readable part of a message that was cut
 * off.
 */
export class Inflater {
  readonly #socket: WebSocket
  readonly #maxPayload: number
  #fragments: Buffer[] | undefined

  /** Replaces the inflater if the client and `ws` have agreed on permessage-deflate; otherwise does nothing. */
  static install(socket: WebSocket, maxPayload: number): void {
    const { _extensions: extensions } = socket as unknown as Extended
    for (const name of Object.keys(extensions)) extensions[name] = new Inflater(socket, maxPayload)
  }

  private constructor(socket: WebSocket, maxPayload: number) {
    this.#socket = socket
    this.#maxPayload = maxPayload
  }

  /** `ws` calls this for each frame of a compressed message, and reads no further until `done` is called. */
  decompress(data: Buffer, isLast: boolean, done: Done): void {
    this.#fragments ??= []
    if (data.length > 0) this.#fragments.push(data)
    // `ws` does not expect `done` to be called at once. Waiting a turn also lets other clients in between two messages
    // of this one.
    setImmediate(isLast ? () => this.#inflate(done) : () => done(null, NOTHING))
  }

  /** The socket has closed. */
  cleanup(): void {
    this.#fragments = undefined
  }

  #inflate(done: Done): void {
    const deflated = Buffer.concat([...(this.#fragments ?? []), END])
    this.#fragments = undefined
    let data: Buffer
    try {
      data = inflateRawSync(deflated, { maxOutputLength: this.#maxPayload })
    } catch (error) {
      this.#socket.close(isTooLarge(error) ? CloseCode.tooLarge : CloseCode.invalidPayload)
      done(error as Error)
      return
    }
    done(null, data)
  }
}

const NOTHING = Buffer.alloc(0)

/**
 * The four bytes that the client left out, then an empty last block. If zlib does not find the end of the stream there,
 * the message was cut off.
 */
const END = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff])

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}
