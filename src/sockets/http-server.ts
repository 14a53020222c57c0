import {
  createServer as createHttp,
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
} from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import { FlotillaError } from '../errors.ts'
import { refuse } from '../middleware/refuse.ts'
import { HalfOpen, type HalfOpenLimits } from './half-open.ts'

/** How often Node looks for requests that take too long. */
const CHECKING = 500

export interface HttpServerOptions {
  readonly tls?: { cert: string | Buffer; key: string | Buffer } | undefined
  readonly http?: RequestListener | undefined
  /** ms that a client may take from connecting to its first complete request head. */
  readonly handshakeTimeout: number
  /** ms that a request may take to arrive, body and all. */
  readonly requestTimeout: number
  /** Clients that may be on their way to their first request head at once. */
  readonly maxHandshakes: number
  /** WebSockets; 0 for no limit. */
  readonly maxConnections: number
  /** Whether some module lives at a request's path. */
  readonly serves: (request: IncomingMessage) => boolean
}

/** The server that Flotilla makes where none is given: HTTP or HTTPS, strict about how long a handshake may take. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, http, handshakeTimeout, requestTimeout, maxHandshakes, maxConnections } = options
  const timeouts = {
    headersTimeout: Math.min(handshakeTimeout, requestTimeout),
    requestTimeout,
    connectionsCheckingInterval: CHECKING,
  }
  const listener = http ?? answerPlain(options.serves)
  const server =
    tls === undefined
      ? createHttp(timeouts, listener)
      : createHttps({ ...timeouts, ...tls, handshakeTimeout }, listener)
  // What is no WebSocket, or not yet, has room of its own, so that a full node can still say that it is full.
  if (maxConnections > 0) server.maxConnections = maxConnections + maxHandshakes
  const limits = { patience: handshakeTimeout, max: maxHandshakes }
  if (tls !== undefined) boundTls(server, limits)
  boundHeads(server, tls === undefined ? 'connection' : 'secureConnection', limits)
  return server
}

/** Node's own timeouts let a client that sends a byte now and then stay: here a whole request head has one deadline. */
function boundHeads(server: HttpServer, event: string, limits: HalfOpenLimits): void {
  const halfOpen = new HalfOpen<Socket>(limits)
  server.on(event, (socket: Socket) => halfOpen.add(socket, socket))
  server.on('request', ({ socket }) => halfOpen.delete(socket))
  server.on('upgrade', (_request, socket) => halfOpen.delete(socket as Socket))
  server.on('close', () => halfOpen.close())
}

/** Node cuts off who does not finish its TLS handshake; this says how many may try at once. */
function boundTls(server: HttpServer, limits: HalfOpenLimits): void {
  const halfOpen = new HalfOpen<string>(limits)
  server.on('connection', (socket: Socket) => halfOpen.add(endOf(socket), socket))
  server.on('secureConnection', (socket: Socket) => halfOpen.delete(endOf(socket)))
  server.on('close', () => halfOpen.close())
}

/** A TLS socket does not say which socket it is made of, but both say whom they talk to. */
function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function answerPlain(serves: (request: IncomingMessage) => boolean): RequestListener {
  return (request, response) => {
    const error = serves(request) ? UPGRADE_REQUIRED : NOT_FOUND
    request.resume()
    response.writeHead(error.status, Object.fromEntries(refuse(error).headers)).end(JSON.stringify(error))
  }
}

const UPGRADE_REQUIRED = new FlotillaError(
  'FLT_UPGRADE_REQUIRED',
  'WebSocket is spoken here: connect with a WebSocket client',
)
const NOT_FOUND = new FlotillaError('FLT_NOT_FOUND', 'only WebSocket is spoken here: connect to the path of a module')
