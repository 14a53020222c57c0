// What hooks and handlers are given. Fields are getters on the prototype, so that a message costs one small object;
// `send`, `join` and `leave` are bound when they are read, so that they survive destructuring.
import type { Cluster, Connection, Message, Params, Session } from '../api.ts'
import type { Logger } from '../logger.ts'
import type { ParsedMessage } from '../wire/parsers.ts'
import { toRequest, toUrl, type UpgradeRequest } from './upgrade-request.ts'

/** What every context leads to. */
export interface Services {
  readonly cluster: Cluster
  readonly log: Logger
}

/** @internal */
export interface HandshakeInit<P extends string = string> extends Services {
  readonly request: UpgradeRequest
  /** The module's. */
  readonly path: string
  readonly params: Params<P>
  readonly ip: string
  /** Makes one that aborts when the client goes away: hardly anybody asks for it. */
  readonly signal: () => AbortSignal
}

/** Before the 101: who it is, and whether it may come in. */
export class HandshakeContext<P extends string = string> {
  /** The user that the connection is bound to before the 101; anonymous where not set. */
  uid?: string
  /** When the connection closes with 4401, in ms since 1970. */
  expiresAt?: number
  /** The subprotocol to answer with: one of those that the client offered. */
  protocol?: string
  /** Groups that the connection is in before the 101. */
  readonly groups: Set<string> = new Set()
  readonly session: Session = {}
  readonly #init: HandshakeInit<P>
  #request: Request | undefined
  #url: URL | undefined
  #headers: Headers | undefined
  #signal: AbortSignal | undefined

  /** @internal */
  constructor(init: HandshakeInit<P>) {
    this.#init = init
  }

  /** They go out with the 101 or with the refusal. Append `Set-Cookie` as often as you like. */
  get headers(): Headers {
    this.#headers ??= new Headers()
    return this.#headers
  }

  /** @internal The same, where somebody has asked for them. */
  get ownHeaders(): Headers | undefined {
    return this.#headers
  }

  /** The path of the module, such as `/chat/:room`: what to guard by, for it is the same whatever the client asked for. */
  get path(): string {
    return this.#init.path
  }

  get params(): Params<P> {
    return this.#init.params
  }

  /** The whole request: method, URL and headers. Whoever needs no more than its URL asks for `url`, which costs less. */
  get request(): Request {
    this.#request ??= toRequest(this.#init.request)
    return this.#request
  }

  /** The request's URL. Its host is what the client said and proves nothing. */
  get url(): URL {
    this.#url ??= toUrl(this.#init.request)
    return this.#url
  }

  /** The client's address; what a forwarded header says only where `trustProxy` allows it. */
  get ip(): string {
    return this.#init.ip
  }

  get cluster(): Cluster {
    return this.#init.cluster
  }

  get log(): Logger {
    return this.#init.log
  }

  /** Aborts when the client goes away. */
  get signal(): AbortSignal {
    this.#signal ??= this.#init.signal()
    return this.#signal
  }
}

abstract class ConnectionContext<P extends string> {
  readonly connection: Connection<P>
  readonly #services: Services

  /** @internal */
  constructor(connection: Connection<P>, services: Services) {
    this.connection = connection
    this.#services = services
  }

  /** The path of the module, such as `/chat/:room`. */
  get path(): string {
    return this.connection.meta.pattern
  }

  get params(): Params<P> {
    return this.connection.params
  }

  get session(): Session {
    return this.connection.session
  }

  /** The handshake's request, 4 KiB of it: see `connection.request`. */
  get request(): Request {
    return this.connection.request
  }

  /** The handshake's URL. */
  get url(): URL {
    return this.connection.url
  }

  get uid(): string | undefined {
    return this.connection.uid
  }

  get cluster(): Cluster {
    return this.#services.cluster
  }

  get log(): Logger {
    return this.#services.log
  }

  /** Aborts when the client is put out (`disconnect`, an expired token, a limit), or when the connection has closed. */
  get signal(): AbortSignal {
    return this.connection.signal
  }
}

/** The 101 has gone out, the user is bound. */
export class OpenContext<P extends string = string> extends ConnectionContext<P> {
  /** Sends to this client alone. False when it is closing; never throws for that. */
  get send(): (message: Message) => boolean {
    return this.connection.send.bind(this.connection)
  }

  /** Puts this connection into groups; resolves when that is stored. */
  get join(): (...groups: string[]) => Promise<void> {
    const { cluster, connection } = this
    return async (...groups) => void (await cluster.join({ connection: connection.id }, ...groups))
  }

  get leave(): (...groups: string[]) => Promise<void> {
    const { cluster, connection } = this
    return async (...groups) => void (await cluster.leave({ connection: connection.id }, ...groups))
  }
}

/** One message of a client. `D` is what the command's schema makes of its data. */
export class MessageContext<D = unknown, P extends string = string> extends OpenContext<P> {
  /** The message as it came. */
  readonly raw: string | Uint8Array
  readonly #message: ParsedMessage
  #data: unknown

  /** @internal */
  constructor(connection: Connection<P>, services: Services, message: ParsedMessage, raw: string | Uint8Array) {
    super(connection, services)
    this.raw = raw
    this.#message = message
    this.#data = message.data
  }

  /** With its controller's prefix; empty where the parser knows no commands. */
  get command(): string {
    return this.#message.command
  }

  /** As the schema left it; to middleware, before `next()`, as it came. */
  get data(): D {
    return this.#data as D
  }

  get ext(): unknown {
    return this.#message.ext
  }

  /** The client waits for the one reply with this id. */
  get id(): string | number | undefined {
    return this.#message.id
  }

  /** @internal What the schema made of it. */
  setData(data: unknown): void {
    this.#data = data
  }
}

export class CloseContext<P extends string = string> extends ConnectionContext<P> {
  /** RFC 6455 §7.4.1; 1006 where the client vanished without a word. */
  readonly code: number
  readonly reason: string

  /** @internal */
  constructor(connection: Connection<P>, services: Services, code: number, reason: string) {
    super(connection, services)
    this.code = code
    this.reason = reason
  }
}
