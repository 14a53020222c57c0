import { createServer as createHttp, type RequestListener, type Server as HttpServer } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import { FlotillaError } from '../errors.ts'

const SWEEP = 500

export interface HttpServerOptions {
  readonly tls?: { cert: string | Buffer; key: string | Buffer } | undefined
  readonly http?: RequestListener | undefined
  /** ms that a client may take from connecting to its first complete request. */
  readonly handshakeTimeout: number
}

/** The server that Flotilla makes where none is given: HTTP or HTTPS, strict about how long a handshake may take. */
export function createHttpServer({ tls, http, handshakeTimeout }: HttpServerOptions): HttpServer {
  const timeouts = { headersTimeout: handshakeTimeout, connectionsCheckingInterval: SWEEP }
  const listener = http ?? answerPlain
  const server =
    tls === undefined
      ? createHttp(timeouts, listener)
      : createHttps({ ...timeouts, ...tls, handshakeTimeout }, listener)
  dropSlow(server, tls === undefined ? 'connection' : 'secureConnection', handshakeTimeout)
  return server
}

/** Node's own timeouts let a client that sends a byte now and then stay: here a whole request head has one deadline. */
function dropSlow(server: HttpServer, event: string, handshakeTimeout: number): void {
  const since = new Map<Socket, number>()
  const sweep = setInterval(() => {
    const oldest = performance.now() - handshakeTimeout
    for (const [socket, startedAt] of since) {
      if (startedAt >= oldest && !socket.destroyed) continue
      since.delete(socket)
      socket.destroy()
    }
  }, SWEEP).unref()
  server.on(event, (socket: Socket) => since.set(socket, performance.now()))
  server.on('request', ({ socket }) => since.delete(socket))
  server.on('upgrade', (_request, socket) => since.delete(socket as Socket))
  server.on('close', () => clearInterval(sweep))
}

const answerPlain: RequestListener = (request, response) => {
  const error = new FlotillaError('FLT_NOT_FOUND', 'only WebSocket is spoken here: connect to the path of a module')
  request.resume()
  response.writeHead(error.status, { 'content-type': 'application/json' }).end(JSON.stringify(error))
}
