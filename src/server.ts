import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { AdmissionLimits } from './admission/admission-limits.ts'
import { Attachment } from './admission/attachment.ts'
import { type Certificate, changeCertificate, checkCertificate } from './admission/certificate.ts'
import { ClientAddress } from './admission/client-address.ts'
import { Descriptors } from './admission/descriptors.ts'
import { Drain } from './admission/drain.ts'
import { Gate } from './admission/gate.ts'
import { createHttpServer } from './admission/http-server.ts'
import { closeServer, listenOn, type ListenOptions, parseListen } from './admission/listening.ts'
import type { Cluster } from './api.ts'
import { ClusterNode, type NodeStats } from './cluster/node.ts'
import type { ClientConnection } from './connection/client-connection.ts'
import { Connections, goingAway } from './connection/connections.ts'
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

const CLOSE_TIMEOUT = 5_000

/** Figures of this node, for monitoring. Counters start at 0 when the server is created. */
export interface ServerStats extends NodeStats {
  /** This node's id. */
  readonly node: string
  /** Open connections of this node. */
  readonly connectionCount: number
  /** Users with a connection to this node. */
  readonly userCount: number
  /** Groups with a member on this node. */
  readonly groupCount: number
  /** Messages that were dropped because the client was too slow (`overflow`). */
  readonly droppedCount: number
  /** Messages that were replaced by a newer one with the same `key`. */
  readonly collapsedCount: number
  /** Connections that were closed with 4408. */
  readonly tooSlowCount: number
  /** How often a connection lagged for more than 250 ms. The node then no longer waits for it. */
  readonly laggedCount: number
  /** Clients refused because of too many connections or handshakes, and sockets closed to make room for others. */
  readonly turnedAwayCount: number
  /**
   * How often a client came, or a look each second found, that this process had hardly a file descriptor left. Only a
   * server that listens itself looks.
   */
  readonly outOfDescriptorsCount: number
  /** Connections that were closed with 1008 because the client sent too much. */
  readonly floodedCount: number
  /** Departures from groups that were forgotten early, because there were too many. A push may have missed them. */
  readonly forgottenDepartureCount: number
  /** Deliveries that were forgotten within a minute, because there were too many. A push may have arrived twice. */
  readonly forgottenDeliveryCount: number
}

/**
 * Creates a server: one node of the cluster.
 *
 * @throws FlotillaError `FLT_BAD_OPTION` or `FLT_BAD_MODULE`; its message says what to change
 */
export function createServer(options: ServerOptions): Server {
  return new Server(options)
}

/** One node of the cluster, with its modules and connections. It connects to the store when it first needs it. */
export class Server implements AsyncDisposable {
  /** The whole cluster: pushes, groups, users and nodes. */
  readonly cluster: Cluster
  /** The connections of this node alone. */
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
  readonly #drain = new Drain()
  readonly #descriptors: Descriptors
  readonly #attachments = new Map<HttpServer | HttpsServer, Attachment>()
  #http: HttpServer | undefined
  #tls: Certificate | undefined
  #url: string | undefined
  #closing: Promise<void> | undefined

  constructor(options: ServerOptions) {
    const settings = (this.#settings = parseOptions(options))
    this.#options = options
    if (options.tls !== undefined) checkCertificate(options.tls)
    this.#tls = options.tls
    const { logger, onError } = settings
    this.#descriptors = new Descriptors(settings.maxConnections, logger)
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
      { services, onError, isReady: () => node.lifecycle.isReady, ready: () => this.ready() },
    )
  }

  /** The URL of the HTTP server that `listen` started; `undefined` before that, and for an attached server. */
  get url(): string | undefined {
    return this.#url
  }

  /**
   * The key under which limits by address count a request: the client's IPv4 address, or the /64 network of its IPv6
   * address, as `trustProxy` determines it. Empty on a Unix socket. Use it for your own limits in the `http` handler.
   */
  networkOf(request: IncomingMessage): string {
    return networkOf(this.#address.of(request))
  }

  /** The present figures of this node. */
  stats(): ServerStats {
    const { size: connectionCount, userCount, groupCount } = this.#hub
    return {
      node: this.cluster.self,
      connectionCount,
      userCount,
      groupCount,
      ...this.#connections.overflowCounters,
      turnedAwayCount: this.#limits.refusedCount,
      outOfDescriptorsCount: this.#descriptors.shortCount,
      floodedCount: this.#connections.floodedCount,
      forgottenDepartureCount: this.#hub.forgottenDepartureCount,
      forgottenDeliveryCount: this.#hub.deliveries.forgottenCount,
      ...this.#node.stats,
    }
  }

  /**
   * Joins the cluster, and resolves once the node has joined. You need not call it: `listen` waits for it, and so do
   * the handshakes of an attached server.
   *
   * @throws FlotillaError `FLT_STORE_AWAY` if the store did not answer within `connectTimeout`
   */
  ready(): Promise<void> {
    return this.#node.lifecycle.ready()
  }

  /**
   * Resolves if this node is ready: State and Queue answer within `timeout` ms, and the node has not begun to go.
   * Otherwise it rejects, and `details.reason` of the error is `starting`, `store`, `lost`, `draining` or `closed`.
   */
  async health(timeout: number): Promise<void> {
    const { flaw } = this.#drain
    if (flaw !== undefined) throw flaw
    await this.#node.lifecycle.health(timeout)
  }

  /** Listens on an HTTP server of its own. Resolves to its URL once the node has joined the cluster. */
  async listen(where: number | ListenOptions = {}, host?: string): Promise<string> {
    if (this.#http !== undefined || this.#closing !== undefined) {
      throw new FlotillaError('FLT_CLOSED', 'this server listens already or was closed: create another one')
    }
    const options = parseListen(where, host)
    const http = (this.#http = createHttpServer({
      ...this.#settings,
      tls: this.#tls,
      http: this.#options.http,
      serves: (request) => this.#gate.serves(request),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
      networkOf: (socket) => this.#address.networkOf(socket),
      isLast: (socket) => this.#descriptors.isLast(socket),
      turnedAway: () => void this.#limits.refusedCount++,
    }))
    this.#drain.follow(http)
    try {
      this.#url = await listenOn(http, options, this.#tls !== undefined)
      this.#descriptors.follow(http)
      await this.ready()
      if (this.#closing !== undefined) throw goingAway()
      return this.#url
    } catch (error) {
      http.close()
      throw error
    }
  }

  /**
   * Replaces the certificate and its key, both in PEM, for everyone who connects from now on. Only for a server that was
   * created with `tls`; the certificate of an attached server is its owner's.
   *
   * @throws FlotillaError `FLT_BAD_OPTION`, and then the server keeps the certificate that it has
   */
  setTls(tls: { cert: string | Buffer; key: string | Buffer }): void {
    checkNames('setTls', tls, ['cert', 'key'])
    if (this.#tls === undefined)
      throw new FlotillaError('FLT_BAD_OPTION', 'this server was created without tls: create it with tls')
    changeCertificate(this.#http, tls)
    this.#tls = tls
  }

  /**
   * Serves the modules' paths on an HTTP server of yours, which it never closes. If that has another `upgrade`
   * listener, all other paths are left to it. If not, an upgrade to WebSocket on another path gets 404, and an upgrade
   * to any other protocol is ignored.
   *
   * When your server's `close` is called, its WebSockets are closed with 1001, as otherwise it would wait for them for
   * ever. If this was the last server that is attached and `listen` was not called, the node leaves the cluster as
   * after `close()`. Await `close()` yourself before your process exits, or before a framework destroys its sockets:
   * Fastify's `preClose`, Nest's `beforeApplicationShutdown`.
   *
   * @throws FlotillaError `FLT_CLOSED` if this server was closed
   */
  attach(server: HttpServer | HttpsServer, ...none: []): this {
    checkNone('attach(server)', none)
    if (this.#closing !== undefined) {
      throw new FlotillaError('FLT_CLOSED', 'this server was closed: create another one to attach')
    }
    if (this.#attachments.has(server)) return this
    const attachment = new Attachment(server, {
      gate: this.#gate,
      upgrade: (request, socket, head, isLeaving) => this.#upgrade(request, socket, head, isLeaving),
      hostCloses: () => this.#hostCloses(server, attachment),
    })
    this.#attachments.set(server, attachment)
    // A failure is reported to every client that connects, and to callers of ready().
    this.ready().catch(() => {})
    return this
  }

  /**
   * Makes the server ready to close while it serves on: from now on `health` rejects, so that load balancers choose other
   * nodes, and kept-alive HTTP connections to a server that Flotilla made end with their next answer. Resolves after
   * `delay` ms (default 0), or as soon as `close` is called. The delay must be long enough for the load balancer to
   * notice.
   *
   * @throws FlotillaError `FLT_BAD_OPTION`
   */
  async drain(options: { delay?: number | undefined } = {}): Promise<void> {
    checkNames('drain', options, ['delay'])
    await this.#drain.begin(options.delay ?? 0)
  }

  /**
   * Closes all connections with 1001, answers the HTTP requests under way, hands over the messages that are still on
   * their way, and leaves the cluster. It may be called twice. `timeout` is the time that clients have to close and
   * requests to be answered, in ms; default 5000.
   */
  async close(options: { timeout?: number | undefined } = {}): Promise<void> {
    checkNames('close', options, ['timeout'])
    this.#closing ??= this.#closeAll(options.timeout ?? CLOSE_TIMEOUT)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #closeAll(timeout: number): Promise<void> {
    const attachments = [...this.#attachments.values()]
    for (const attachment of attachments) attachment.leave()
    this.#drain.close()
    const httpClosed = closeServer(this.#http)
    this.#connections.beginClosing()
    this.#node.lifecycle.sayGoodbye()
    try {
      await Promise.all([this.#connections.sayGoodbye(timeout), this.#drain.answered(timeout)])
      await this.#node.lifecycle.close()
    } finally {
      // Even if a driver cannot close: otherwise the HTTP servers never could either.
      for (const attachment of attachments) attachment.detach()
      this.#http?.closeAllConnections()
    }
    await httpClosed
  }

  #hostCloses(host: HttpServer | HttpsServer, attachment: Attachment): void {
    // Somebody may call it several times.
    if (this.#closing !== undefined || this.#attachments.get(host) !== attachment) return
    const isLast = this.#attachments.size === 1 && this.#http === undefined
    const ending = isLast ? this.close() : this.#leaveHost(host, attachment)
    ending.catch((error: unknown) => this.#settings.logger.error({ error }, 'could not close with the HTTP server'))
  }

  async #leaveHost(host: HttpServer | HttpsServer, attachment: Attachment): Promise<void> {
    this.#attachments.delete(host)
    attachment.leave()
    await this.#connections.sayGoodbye(CLOSE_TIMEOUT, attachment.sockets)
    attachment.detach()
  }

  async #upgrade(...args: Parameters<Gate['upgrade']>): Promise<boolean> {
    const [, socket] = args
    try {
      return await this.#gate.upgrade(...args)
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

function routerOf(modules: readonly Module[]): Router<Module> {
  const router = new Router<Module>()
  for (const module of modules) router.add(module.path, module)
  return router
}
