import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Server as WsServer, type ServerOptions, WebSocketServer } from 'ws'
import { Inflater } from '../connection/transports/inflater.ts'
import { WebSocketTransport } from '../connection/transports/web-socket.ts'
import { ownText } from '../lib/own-text.ts'
import { acceptableDeflate } from './extensions.ts'

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
 * RFC 7692 §7.1.1: neither side keeps a context, so that a message is compressed once for everyone and an idle connection
 * costs no zlib memory.
 */
const DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true }

/** Bytes: a message of any allowed size may come in fragments that are no smaller. */
const SMALLEST_FRAGMENT = 256
/** Fragments that are always allowed, however small the messages must be. */
const MIN_FRAGMENTS = 4_096

/** What the 101 says of itself, or must not say (RFC 9110 §8.6, RFC 9112 §6.1): nobody else sets them. */
const OWN_HEADERS = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/i

/** Answers a handshake with its 101. */
export class Acceptor {
  readonly #maxPayload: number
  readonly #plain: WsServer<typeof WebSocketTransport>
  readonly #deflating: WsServer<typeof WebSocketTransport> | undefined

  constructor({ compression, ...options }: AcceptorOptions) {
    this.#maxPayload = options.maxPayload
    this.#plain = newServer(options, false)
    const maxPayload = deflatedBound(options.maxPayload)
    this.#deflating = compression ? newServer({ ...options, maxPayload }, DEFLATE) : undefined
  }

  /** Calls back at once, or not at all: for a client that is gone, or a flaw that `ws` alone minds. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, opened: (socket: WebSocketTransport) => void): void {
    const offer = this.#deflating && acceptableDeflate(request.headers['sec-websocket-extensions'] ?? '')
    const accepted = (webSocket: WebSocketTransport): void => {
      webSocket.on('ping', onPing)
      if (offer !== undefined) Inflater.install(webSocket, this.#maxPayload)
      opened(webSocket)
    }
    if (this.#deflating === undefined || offer === undefined) {
      this.#plain.handleUpgrade(request, socket, head, accepted)
      return
    }
    // `ws` would refuse a client for one offer that does not suit: it gets to see only the one that does.
    request.headers['sec-websocket-extensions'] = offer
    this.#deflating.handleUpgrade(request, socket, head, accepted)
  }
}

function newServer(
  { maxPayload, protocol, headers }: Omit<AcceptorOptions, 'compression'>,
  perMessageDeflate: ServerOptions['perMessageDeflate'] & {},
): WsServer<typeof WebSocketTransport> {
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: WebSocketTransport,
    clientTracking: false,
    maxPayload,
    maxFragments: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / SMALLEST_FRAGMENT)),
    perMessageDeflate,
    // The socket answers them itself.
    autoPong: false,
    // One that the client has offered (RFC 6455 §4.2.2): the gate has looked. The socket keeps it.
    handleProtocols: () => ownText(protocol() ?? '') || false,
  })
  return server.on('headers', (lines) => {
    for (const [name, value] of headers()) if (!OWN_HEADERS.test(name)) lines.push(`${name}: ${value}`)
  })
}

/** Bytes of a message that would not shrink, compressed: a thousandth more, generously. The inflated ones count exactly. */
function deflatedBound(maxPayload: number): number {
  return maxPayload + (maxPayload >> 6) + 64
}

function onPing(this: unknown, ping: Buffer): void {
  const socket = this as WebSocketTransport
  socket.answer(ping)
}
