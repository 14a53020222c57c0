import {
  createServer as createHttp,
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FlotillaError } from '../errors.ts'
import { refuse } from '../modules/refuse.ts'
import type { Certificate } from './certificate.ts'
import { isIgnorable, putBack } from './ignored-upgrade.ts'
import { PlainSockets } from './plain-sockets.ts'
import { paceRequests } from './request-pace.ts'
import { hasBody } from './upgrade-check.ts'

/** ms between Node's checks for requests that take too long. */
const CHECKING = 500

export interface HttpServerOptions {
  readonly tls?: Certificate | undefined
  readonly http?: RequestListener | undefined
  /** ms from connecting until the first request head is complete. */
  readonly handshakeTimeout: number
  /** ms that a request may take to arrive, including its body. */
  readonly requestTimeout: number
  /** ms that a socket is kept open after a request, for the next one. */
  readonly keepAliveTimeout: number
  /** How many sockets may be open that are not WebSockets. */
  readonly maxHandshakes: number
  /** Whether there is a module at the request's path. */
  readonly serves: (request: IncomingMessage) => boolean
  /** Resolves to true if the socket has become a WebSocket. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<boolean>
  /** The network that a socket counts for; undefined if the socket counts only towards the total. */
  readonly networkOf: (socket: Socket) => string | undefined
  /** Whether a socket has taken one of the last file descriptors. */
  readonly isLast: (socket: Duplex) => boolean
  /** Called for each socket that was closed because there were too many. */
  readonly turnedAway: () => void
}

/**
 * Creates the HTTP or HTTPS server that Flotilla uses unless it is attached to another one. It is strict about how long
 * a handshake may take.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, http, handshakeTimeout, requestTimeout, keepAliveTimeout, isLast, turnedAway } = options
  const timeouts = {
    headersTimeout: Math.min(handshakeTimeout, requestTimeout),
    requestTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval: CHECKING,
  }
  const sockets = new PlainSockets({
    patience: handshakeTimeout,
    max: options.maxHandshakes,
    isLast,
    gaveWay: turnedAway,
  })
  const listener = paceRequests(http ?? answerPlain(options.serves), () => sockets.isCrowded)
  const server =
    tls === undefined
      ? createHttp(timeouts, listener)
      : createHttps({ ...timeouts, ...tls, handshakeTimeout }, listener)
  // By default Node silently drops all headers after the first 1,000, and the headers that a proxy adds come last.
  server.maxHeadersCount = 0
  boundSockets(server, sockets, options)
  return server
}

/**
 * Node's own timeouts never cut off a client that sends a byte now and then, and its `maxConnections` resets the newest
 * client. Here the first request head has one deadline, and idle sockets are closed to make room for new ones. From its
 * upgrade request on, a socket is counted by `AdmissionLimits` instead.
 */
function boundSockets(server: HttpServer, sockets: PlainSockets, options: HttpServerOptions): void {
  const { networkOf, upgrade } = options
  if (options.tls !== undefined) addTls(server, sockets, networkOf)
  else server.on('connection', (socket: Socket) => sockets.add(socket, networkOf(socket)))
  const latest = new WeakMap<Duplex, ServerResponse>()
  // This must run before the listener, which may answer at once.
  server.prependListener('request', (request, response) => {
    const { socket } = request
    latest.set(socket, response)
    const arrived = (): void => sockets.requestArrives(socket)
    if (hasBody(request)) {
      sockets.headArrives(socket)
      request.once('end', arrived)
    } else arrived()
    response.once('close', () => {
      // The answer may end before the request has arrived completely.
      request.off('end', arrived)
      sockets.requestEnds(socket)
    })
  })
  server.on('upgrade', (request, socket, head) => {
    sockets.delete(socket)
    const before = latest.get(socket)
    // The answer to the earlier request is not written yet, and would end up among the WebSocket frames.
    if (before !== undefined && !isWritten(before)) return void socket.destroy()
    if (options.http !== undefined && !options.serves(request) && isIgnorable(request))
      return putBack(server, request, socket, head)
    void upgrade(request, socket, head).then((isWebSocket) => {
      // A refused client keeps its socket while it reads the reason, unless the room is needed.
      if (!isWebSocket && !socket.destroyed) sockets.add(socket, networkOf(request.socket), { hasAsked: true })
    })
  })
  server.on('close', () => sockets.close())
}

/** Whether a whole answer was handed to its socket. An answer that waits for earlier ones has no socket yet. */
function isWritten({ writableEnded, writableFinished, socket }: ServerResponse): boolean {
  return writableEnded && (writableFinished || socket !== null)
}

/**
 * A socket counts from the moment that it is accepted: one deadline covers its TLS handshake and its first request
 * head.
 */
function addTls(server: HttpServer, sockets: PlainSockets, networkOf: HttpServerOptions['networkOf']): void {
  const handshakes = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    const end = endOf(socket)
    // A Unix socket has no remote address to find its TLS handshake by. Node's own deadline bounds it.
    if (end === undefined) return
    handshakes.set(end, socket)
    socket.once('close', () => {
      if (handshakes.get(end) === socket) handshakes.delete(end)
    })
    sockets.add(socket, networkOf(socket))
  })
  server.on('secureConnection', (socket: Socket) => {
    const end = endOf(socket)
    const before = end === undefined ? undefined : handshakes.get(end)
    if (end === undefined || before === undefined) return sockets.add(socket, networkOf(socket))
    handshakes.delete(end)
    sockets.replace(before, socket)
  })
}

/** Identifies a connection by its remote end, because a TLS socket does not expose the TCP socket beneath it. */
function endOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${remoteAddress} ${remotePort}`
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
  'this path accepts only WebSocket connections: connect with a WebSocket client',
)
const NOT_FOUND = new FlotillaError(
  'FLT_NOT_FOUND',
  'this server accepts only WebSocket connections: connect to the path of a module',
)
