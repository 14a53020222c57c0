import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { AdmissionLimits } from './admission/admission-limits.ts'
import { ClientAddress } from './admission/client-address.ts'
import { Gate } from './admission/gate.ts'
import { createHttpServer } from './admission/http-server.ts'
import { isIgnorable, putBack } from './admission/ignored-upgrade.ts'
import type { Cluster } from './api.ts'
import { ClusterNode, type NodeStats } from './cluster/node.ts'
import type { ClientConnection } from './connection/client-connection.ts'
import { Connections } from './connection/connections.ts'
import { Hub } from './delivery/hub.ts'
import { Local } from './delivery/local.ts'
import { FlotillaError } from './errors.ts'
import { Events } from './events.ts'
import { networkOf } from './lib/addresses.ts'
import { checkNames, checkNone } from './lib/checked-names.ts'
import { compileModules, type Module } from './modules/module.ts'
import { Router } from './modules/router.ts'
import type { ServerOptions } from './options.ts'
import { Flusher } from './outbound/flusher.ts'
import { parseOptions, type Settings } from './settings.ts'

const DEFAULT_PORT = 18_308
const DEFAULT_HOST = '127.0.0.1'
/**
 * Clients that the kernel keeps until they are accepted, which is one in each turn of the event loop. It drops a client that
 * finds no room, who tries again after 1 s, 3 s, 7 s: with Node's 511, a crowd comes in waves. Linux takes 4,096 by itself.
 */
const BACKLOG = 4_096
const CLOSE_TIMEOUT = 5_000

export interface ListenOptions {
  /** 0 picks a free one. Default 18308. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  /** A Unix socket's path, instead of port and host. */
  unix?: string
}

export interface ServerStats extends NodeStats {
  readonly node: string
  readonly connectionCount: number
  /** Users with a connection here. */
  readonly userCount: number
  /** Groups with a member here. */
  readonly groupCount: number
  /** Messages that clients here were too slow for (`overflow`). */
  readonly droppedCount: number
  /** Messages that a newer one of the same `key` took the place of. */
  readonly collapsedCount: number
  /** Connections that were closed with 4408. */
  readonly tooSlowCount: number
  /** How often a connection lagged for more than 250 ms: what it is sent then is not waited for any more. */
  readonly laggedCount: number
  /** Clients refused because there were too many connections or handshakes, and sockets closed to make room for others. */
  readonly turnedAwayCount: number
  /** Connections that were closed with 1008, for they sent too much. */
  readonly floodedCount: number
  /** Members who left while so many others did that they were forgotten: a push on its way may not have been sent after them. */
  readonly forgottenDepartureCount: number
  /** Deliveries that were forgotten within a minute, as there were too many: the same push may have come twice. */
  readonly forgottenDeliveryCount: number
}

/** @throws FlotillaError `FLT_BAD_OPTION` or `FLT_BAD_MODULE`, saying what to mend */
export function createServer(options: ServerOptions): Server {
  return new Server(options)
}

/** One node: its modules, its connections, its place in the cluster. Nothing is connected before it is needed. */
export class Server implements AsyncDisposable {
  readonly cluster: Cluster
  readonly local: Local
  readonly #settings: Settings
  readonly #options: ServerOptions
  readonly #hub = new Hub()
  readonly #events: Events
  readonly #node: ClusterNode
  readonly #limits: AdmissionLimits
  readonly #address: ClientAddress
  readonly #connections: Connections
  readonly #gate: Gate
  readonly #detach: (() => void)[] = []
  #http: HttpServer | undefined
  #url: string | undefined
  #closing: Promise<void> | undefined

  constructor(options: ServerOptions) {
    const settings = (this.#settings = parseOptions(options))
    this.#options = options
    const { logger, onError } = settings
    const flusher = new Flusher((error) => onError({ phase: 'push', error }))
    this.#events = new Events(logger)
    const node = (this.#node = new ClusterNode(settings.driver, this.#hub, this.#events, settings, {
      onError: (phase, error) => onError({ phase, error }),
      whenTaken: (handover, done) => flusher.whenTaken(handover, done),
      closeConnection: (connection, code, reason) => connection.disconnect(code, reason),
      url: () => settings.url ?? this.#url,
    }))
    const cluster = (this.cluster = node.cluster)
    const services = { cluster, log: logger }
    const limits = (this.#limits = new AdmissionLimits(settings))
    const connections = (this.#connections = new Connections(settings, flusher, node.registrar, {
      services,
      onError,
      received: (connection, data) => this.#received(connection, data),
      bucketsOf: ({ meta }) => limits.bucketsOf(meta.ip),
      leftBehind: (connection, messages) => node.leftBehind(connection, messages),
    }))
    this.local = new Local(this.#hub, (connection, code, reason) => connection.disconnect(code, reason))
    const address = (this.#address = new ClientAddress(settings.trustProxy, logger))
    const { maxPayload, compression, handshakeTimeout: timeout } = settings
    this.#gate = new Gate(
      routerOf(compileModules({ ...options, cluster, log: logger, onError })),
      { address, maxPayload, compression: compression !== undefined, timeout, limits, connections },
      { services, onError, isReady: () => node.isReady, ready: () => this.ready() },
    )
  }

  /** Where clients reach it, once it listens on a server of its own. */
  get url(): string | undefined {
    return this.#url
  }

  /**
   * Whom a request counts for where limits are kept by address: the client's address by `trustProxy`, or its /64 network
   * if it is IPv6; empty on a Unix socket. For limits of your own on what `http` serves.
   */
  networkOf(request: IncomingMessage): string {
    return networkOf(this.#address.of(request))
  }

  stats(): ServerStats {
    const { size: connectionCount, userCount, groupCount } = this.#hub
    return {
      node: this.cluster.self,
      connectionCount,
      userCount,
      groupCount,
      ...this.#connections.overflowCounters,
      turnedAwayCount: this.#limits.refusedCount,
      floodedCount: this.#connections.floodedCount,
      forgottenDepartureCount: this.#hub.forgottenDepartureCount,
      forgottenDeliveryCount: this.#hub.forgottenDeliveryCount,
      ...this.#node.stats,
    }
  }

  /**
   * Takes its place in the cluster. `listen` does it by itself; where a server is attached, the first handshake does.
   *
   * @throws FlotillaError `FLT_STORE_AWAY` when the store did not answer within `connectTimeout`
   */
  ready(): Promise<void> {
    return this.#node.ready()
  }

  /** Rejects unless State and Queue answer within so many ms. */
  health(timeout: number): Promise<void> {
    return this.#node.health(timeout)
  }

  /** Listens on a server of its own, and resolves to its URL once it is in the cluster. */
  async listen(where: number | ListenOptions = {}, host?: string): Promise<string> {
    if (this.#http !== undefined || this.#closing !== undefined) {
      throw new FlotillaError('FLT_CLOSED', 'this server listens already, or was closed: make another one')
    }
    const options = parseListen(where, host)
    const http = (this.#http = createHttpServer({
      ...this.#settings,
      tls: this.#options.tls,
      http: this.#options.http,
      serves: (request) => this.#gate.serves(request),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
      networkOf: (socket) => this.#address.networkOf(socket),
      turnedAway: () => void this.#limits.refusedCount++,
    }))
    try {
      this.#url = await listenOn(http, options, this.#options.tls !== undefined)
      await this.ready()
      if (this.#closing !== undefined) throw goingAway()
      return this.#url
    } catch (error) {
      http.close()
      throw error
    }
  }

  /**
   * Serves its modules' paths on somebody else's server, and leaves every other path alone while another listener for
   * `upgrade` is there to take it; otherwise an upgrade to WebSocket gets 404, and one to anything else is ignored. It never
   * closes that server.
   */
  attach(server: HttpServer | HttpsServer, ...none: []): this {
    checkNone('attach(server)', none)
    const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      if (this.#gate.serves(request)) void this.#upgrade(request, socket, head)
      else if (server.listenerCount('upgrade') > 1) return
      else if (isIgnorable(request)) putBack(server, request, socket, head)
      else void this.#gate.refuseUnknown(request, socket)
    }
    server.on('upgrade', upgrade)
    this.#detach.push(() => server.off('upgrade', upgrade))
    // A failure is told to whoever connects, or calls ready().
    this.ready().catch(() => {})
    return this
  }

  /** Closes its connections with 1001, hands in what it owes, leaves the cluster. Safe twice. `timeout` in ms, 5000. */
  async close(options: { timeout?: number } = {}): Promise<void> {
    checkNames('close', options, ['timeout'])
    this.#closing ??= this.#closeAll(options.timeout ?? CLOSE_TIMEOUT)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #closeAll(timeout: number): Promise<void> {
    for (const detach of this.#detach) detach()
    const httpClosed = closeServer(this.#http)
    this.#connections.beginClosing()
    this.#node.sayGoodbye()
    await this.#connections.sayGoodbye(timeout)
    await this.#node.close()
    this.#http?.closeAllConnections()
    await httpClosed
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<boolean> {
    try {
      return await this.#gate.upgrade(request, socket, head)
    } catch (error) {
      this.#settings.onError({ phase: 'handshake', error })
      socket.destroy()
      return false
    }
  }

  #received({ id: connection, uid }: ClientConnection, data: string | Uint8Array): void {
    if (!this.#events.has('receive')) return
    const node = this.cluster.self
    this.#events.emit('receive', uid === undefined ? { node, connection, data } : { node, connection, uid, data })
  }
}

const goingAway = (): FlotillaError =>
  new FlotillaError('FLT_CLOSED', 'this node is going away: connect to another one')

function routerOf(modules: readonly Module[]): Router<Module> {
  const router = new Router<Module>()
  for (const module of modules) router.add(module.path, module)
  return router
}

function parseListen(where: number | ListenOptions, host: string | undefined): ListenOptions {
  if (typeof where === 'number') return host === undefined ? { port: where } : { port: where, host }
  checkNames('listen', where, ['port', 'host', 'unix'])
  const isTwice = host !== undefined || (where.unix !== undefined && (where.port ?? where.host) !== undefined)
  if (!isTwice) return where
  throw new FlotillaError('FLT_BAD_OPTION', 'listen takes a port and a host, or unix: one of them would be ignored')
}

async function listenOn(
  http: HttpServer,
  { port = DEFAULT_PORT, host = DEFAULT_HOST, unix }: ListenOptions,
  isSecure: boolean,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    const listening = (): void => {
      http.off('error', reject)
      resolve()
    }
    if (unix === undefined) http.listen(port, host, BACKLOG, listening)
    else http.listen(unix, BACKLOG, listening)
  })
  if (unix !== undefined) return `unix:${unix}`
  const { address, family, port: bound } = http.address() as AddressInfo
  const name = family === 'IPv6' ? `[${address}]` : address
  return `${isSecure ? 'https' : 'http'}://${name}:${bound}`
}

/** Takes no new connections; resolves when the last one has gone. */
function closeServer(http: HttpServer | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (http === undefined || !http.listening) resolve()
    else http.close(() => resolve())
  })
}
