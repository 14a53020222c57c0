import { inflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'
import { CloseCode } from '../../wire/close-codes.ts'

type Done = (error: Error | null, data?: Buffer) => void

/** What a `WebSocket` of `ws` has its extensions in: without a public name, but its receiver asks nothing else. */
interface Extended {
  readonly _extensions: Record<string, Pick<Inflater, 'decompress' | 'cleanup'>>
}

/**
 * Inflates what one client sends compressed (RFC 7692 §7.2.2), in place of `ws`'s own, which keeps a zlib context per
 * connection once it has read a message, and delivers what it can read of a message that was cut off.
 */
export class Inflater {
  readonly #socket: WebSocket
  readonly #maxPayload: number
  #fragments: Buffer[] | undefined

  /** Where the client and `ws` have agreed on permessage-deflate; nothing elsewhere. */
  static install(socket: WebSocket, maxPayload: number): void {
    const { _extensions: extensions } = socket as unknown as Extended
    for (const name of Object.keys(extensions)) extensions[name] = new Inflater(socket, maxPayload)
  }

  private constructor(socket: WebSocket, maxPayload: number) {
    this.#socket = socket
    this.#maxPayload = maxPayload
  }

  /** `ws` calls it for each frame of a compressed message, and reads no further until it is done. */
  decompress(data: Buffer, isLast: boolean, done: Done): void {
    this.#fragments ??= []
    if (data.length > 0) this.#fragments.push(data)
    // `ws` does not expect an answer at once; and the others' turn comes between two messages of one client.
    setImmediate(isLast ? () => this.#inflate(done) : () => done(null, NOTHING))
  }

  /** The socket is gone. */
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
 * The four bytes that the client left out, and an empty last block: where zlib does not find the end of the stream there,
 * the client left out more.
 */
const END = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff])

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}
