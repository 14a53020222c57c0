import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Server as WsServer, type ServerOptions, WebSocketServer } from 'ws'
import { ClientSocket } from './client-socket.ts'
import { Inflater } from './inflater.ts'

export interface AcceptorOptions {
  /** Bytes of one message, inflated. */
  readonly maxPayload: number
  /** Whether a client gets permessage-deflate that offers it. */
  readonly compression: boolean
  /** The subprotocol of the client that is being accepted. */
  readonly protocol: () => string | undefined
  /** What else its 101 says. */
  readonly headers: () => Iterable<[name: string, value: string]>
}

/**
 * RFC 7692 §7.1: neither side keeps a context, so that a message is compressed once for everyone and an idle connection
 * costs no zlib memory; and a client must take the largest window, for it gets what the others get.
 */
const DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 15 }

/** Answers a handshake with its 101. */
export class Acceptor {
  readonly #maxPayload: number
  readonly #plain: WsServer<typeof ClientSocket>
  readonly #deflating: WsServer<typeof ClientSocket> | undefined

  constructor({ compression, ...options }: AcceptorOptions) {
    this.#maxPayload = options.maxPayload
    this.#plain = newServer(options, false)
    this.#deflating = compression ? newServer(options, DEFLATE) : undefined
  }

  /** Calls back at once, or not at all: for a client that is gone, or a flaw that `ws` alone minds. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, opened: (socket: ClientSocket) => void): void {
    if (this.#deflating === undefined || request.headers['sec-websocket-extensions'] === undefined) {
      this.#plain.handleUpgrade(request, socket, head, opened)
      return
    }
    // An offer that does not suit is declined, where `ws` would refuse the client.
    const decline = (): void => this.#plain.handleUpgrade(request, socket, head, opened)
    this.#deflating.once('wsClientError', decline)
    this.#deflating.handleUpgrade(request, socket, head, (webSocket) => {
      Inflater.install(webSocket, this.#maxPayload)
      opened(webSocket)
    })
    this.#deflating.off('wsClientError', decline)
  }
}

function newServer(
  { maxPayload, protocol, headers }: Omit<AcceptorOptions, 'compression'>,
  perMessageDeflate: ServerOptions['perMessageDeflate'] & {},
): WsServer<typeof ClientSocket> {
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: ClientSocket,
    clientTracking: false,
    maxPayload,
    perMessageDeflate,
    handleProtocols: () => protocol() ?? false,
  })
  return server.on('headers', (lines) => {
    for (const [name, value] of headers()) lines.push(`${name}: ${value}`)
  })
}
