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
  /** Whether to accept permessage-deflate from clients that offer it. */
  readonly compression: boolean
  /** The subprotocol that the client being accepted is answered with, if any. */
  readonly protocol: () => string | undefined
  /** Further headers for the 101 of the client being accepted. */
  readonly headers: () => Iterable<[name: string, value: string]>
}

/**
 * Neither side keeps a compression context between messages (RFC 7692 §7.1.1), so a message is compressed once for
 * everyone and an idle connection holds no zlib memory.
 */
const DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true }

/** Bytes. A message of any allowed size may arrive in fragments that have at least this size. */
const SMALLEST_FRAGMENT = 256
/** A message may always have this many fragments, even if `maxPayload` is small. */
const MIN_FRAGMENTS = 4_096

/** Headers that the 101 sets by itself, or must not have (RFC 9110 §8.6, RFC 9112 §6.1). Modules cannot set them. */
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

  /**
   * Calls `opened` before it returns. It never calls `opened` if the client has gone, or if `ws` refuses something that
   * our own checks allow.
   */
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
    // `ws` would refuse the client if any of its offers did not suit, so `ws` sees only the one that does.
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
    // `WebSocketTransport` answers pings.
    autoPong: false,
    // The gate has checked that the client offered it (RFC 6455 §4.2.2). The socket keeps the string, hence the copy.
    handleProtocols: () => ownText(protocol() ?? '') || false,
  })
  return server.on('headers', (lines) => {
    for (const [name, value] of headers()) if (!OWN_HEADERS.test(name)) lines.push(`${name}: ${value}`)
  })
}

/**
 * The largest compressed message to accept, in bytes. Compression makes a message that does not shrink about a
 * thousandth longer; this allows a 64th. The inflater applies the exact limit to the inflated bytes.
 */
function deflatedBound(maxPayload: number): number {
  return maxPayload + (maxPayload >> 6) + 64
}

function onPing(this: unknown, ping: Buffer): void {
  const socket = this as WebSocketTransport
  socket.answer(ping)
}
