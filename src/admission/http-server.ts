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
import { isIgnorable, putBack } from './ignored-upgrade.ts'
import { PlainSockets } from './plain-sockets.ts'
import { paceRequests } from './request-pace.ts'
import { hasBody } from './upgrade-check.ts'

/** How often Node looks for requests that take too long. */
const CHECKING = 500

export interface HttpServerOptions {
  readonly tls?: { cert: string | Buffer; key: string | Buffer } | undefined
  readonly http?: RequestListener | undefined
  /** ms that a client may take from connecting to its first complete request head. */
  readonly handshakeTimeout: number
  /** ms that a request may take to arrive, body and all. */
  readonly requestTimeout: number
  /** Sockets that may be there at once without being WebSockets. */
  readonly maxHandshakes: number
  /** Whether some module lives at a request's path. */
  readonly serves: (request: IncomingMessage) => boolean
  /** Resolves to whether the socket is a WebSocket now. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<boolean>
  /** The network that a socket counts for; undefined if it counts only towards the total. */
  readonly networkOf: (socket: Socket) => string | undefined
  /** A socket was closed because there were too many. */
  readonly turnedAway: () => void
}

/** The server that Flotilla makes where none is given: HTTP or HTTPS, strict about how long a handshake may take. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, http, handshakeTimeout, requestTimeout, turnedAway } = options
  const timeouts = {
    headersTimeout: Math.min(handshakeTimeout, requestTimeout),
    requestTimeout,
    connectionsCheckingInterval: CHECKING,
  }
  const sockets = new PlainSockets({ patience: handshakeTimeout, max: options.maxHandshakes, gaveWay: turnedAway })
  const listener = paceRequests(http ?? answerPlain(options.serves), () => sockets.isCrowded)
  const server =
    tls === undefined
      ? createHttp(timeouts, listener)
      : createHttps({ ...timeouts, ...tls, handshakeTimeout }, listener)
  // Otherwise Node leaves out, without a word, all headers after the first 1,000, and a proxy adds its own behind them.
  server.maxHeadersCount = 0
  boundSockets(server, sockets, options)
  return server
}

/**
 * Node's own timeouts never end a client that sends a byte now and then, and its `maxConnections` resets whoever comes last.
 * Here the first request head has one deadline, and idle sockets give way. From its upgrade request on, a socket is counted
 * by the limits instead.
 */
function boundSockets(server: HttpServer, sockets: PlainSockets, options: HttpServerOptions): void {
  const { networkOf, upgrade } = options
  if (options.tls !== undefined) addTls(server, sockets, networkOf)
  else server.on('connection', (socket: Socket) => sockets.add(socket, networkOf(socket)))
  const latest = new WeakMap<Duplex, ServerResponse>()
  // Before the listener that may answer at once.
  server.prependListener('request', (request, response) => {
    const { socket } = request
    latest.set(socket, response)
    const arrived = (): void => sockets.requestArrives(socket)
    if (hasBody(request)) {
      sockets.headArrives(socket)
      request.once('end', arrived)
    } else arrived()
    response.once('close', () => {
      // It may be answered before it has come whole.
      request.off('end', arrived)
      sockets.requestEnds(socket)
    })
  })
  server.on('upgrade', (request, socket, head) => {
    sockets.delete(socket)
    const before = latest.get(socket)
    // The answer that is still to come would stand among the frames.
    if (before !== undefined && !isWritten(before)) return void socket.destroy()
    if (options.http !== undefined && !options.serves(request) && isIgnorable(request))
      return putBack(server, request, socket, head)
    void upgrade(request, socket, head).then((isWebSocket) => {
      // A refused client may take its time to read why, unless somebody needs the room.
      if (!isWebSocket && !socket.destroyed) sockets.add(socket, networkOf(request.socket), { hasAsked: true })
    })
  })
  server.on('close', () => sockets.close())
}

/** Whether all of an answer was handed to its socket. One that waits for those before it has no socket yet. */
function isWritten({ writableEnded, writableFinished, socket }: ServerResponse): boolean {
  return writableEnded && (writableFinished || socket !== null)
}

/** A TLS handshake counts from accept on, under the same deadline as the request head that follows. */
function addTls(server: HttpServer, sockets: PlainSockets, networkOf: HttpServerOptions['networkOf']): void {
  const handshakes = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    const end = endOf(socket)
    // Over a Unix socket nothing identifies a TLS handshake; Node's own deadline bounds it.
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

/** A TLS socket does not say which socket it is made of, but both say whom they talk to. */
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
  'WebSocket is spoken here: connect with a WebSocket client',
)
const NOT_FOUND = new FlotillaError('FLT_NOT_FOUND', 'only WebSocket is spoken here: connect to the path of a module')
