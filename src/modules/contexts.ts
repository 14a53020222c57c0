// The contexts that hooks and handlers get. Fields are getters on the prototype, so that a message costs only one small
// object. `send`, `join` and `leave` are bound when they are read, so that they still work after destructuring.
import type { Cluster, Connection, Message, Params, Session } from '../api.ts'
import type { Logger } from '../logger.ts'
import type { ParsedMessage } from '../wire/parsers.ts'
import { toRequest, toUrl, type UpgradeRequest } from './upgrade-request.ts'

/** The parts of the server that every context gives access to. */
export interface Services {
  readonly cluster: Cluster
  readonly log: Logger
}

/** @internal */
export interface HandshakeInit<P extends string = string> extends Services {
  readonly request: UpgradeRequest
  /** The module's path, such as `/chat/:room`. */
  readonly path: string
  readonly params: Params<P>
  readonly ip: string
  /** Creates a signal that aborts when the client goes away. It is created on demand, because few handshakes use it. */
  readonly signal: () => AbortSignal
}

/** A handshake before the 101. Hooks and middleware decide here who the client is, and whether it may connect. */
export class HandshakeContext<P extends string = string> {
  /** The user to bind the connection to before the 101. If it is not set, the connection is anonymous. */
  uid?: string | undefined
  /** When to close the connection with 4401, in ms since 1970. */
  expiresAt?: number | undefined
  /** The subprotocol to answer with. It must be one that the client offered. */
  protocol?: string | undefined
  /** Groups to put the connection into before the 101. */
  readonly groups: Set<string> = new Set()
  /** Attributes that the connection keeps for as long as it lives. */
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

  /** Headers to send with the 101 or with the refusal. `Set-Cookie` may be appended any number of times. */
  get headers(): Headers {
    this.#headers ??= new Headers()
    return this.#headers
  }

  /** @internal The headers, or `undefined` if no hook has used them. */
  get ownHeaders(): Headers | undefined {
    return this.#headers
  }

  /** The path of the module, such as `/chat/:room`. Use it in access rules: all requests to the module share it. */
  get path(): string {
    return this.#init.path
  }

  get params(): Params<P> {
    return this.#init.params
  }

  /** The whole request: method, URL and headers. If you only need the URL, `url` costs less. */
  get request(): Request {
    this.#request ??= toRequest(this.#init.request)
    return this.#request
  }

  /** The request's URL. Its host is whatever the client sent, so it proves nothing. */
  get url(): URL {
    this.#url ??= toUrl(this.#init.request)
    return this.#url
  }

  /** The client's address. Forwarded headers count only if `trustProxy` allows it. */
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

  /** The handshake's request, of which at most 4 KiB are kept: see `connection.request`. */
  get request(): Request {
    return this.connection.request
  }

  /** The handshake's URL, bounded as `request` is. */
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

  /** Aborts when the server disconnects the client (`disconnect`, expired token, limit) or the connection closes. */
  get signal(): AbortSignal {
    return this.connection.signal
  }
}

/** A connection that has just opened: the 101 was sent, and the user is bound. */
export class OpenContext<P extends string = string> extends ConnectionContext<P> {
  /** Sends to this client alone. Returns false if the connection is closing; it never throws for that reason. */
  get send(): (message: Message) => boolean {
    return this.connection.send.bind(this.connection)
  }

  /** Puts this connection into groups. Resolves once that is stored. */
  get join(): (...groups: string[]) => Promise<void> {
    const { cluster, connection } = this
    return async (...groups) => void (await cluster.join({ connection: connection.id }, ...groups))
  }

  /** Takes this connection out of groups. Resolves once that is stored. */
  get leave(): (...groups: string[]) => Promise<void> {
    const { cluster, connection } = this
    return async (...groups) => void (await cluster.leave({ connection: connection.id }, ...groups))
  }
}

/** One message from a client. `D` is the type of its data after the command's schema has validated it. */
export class MessageContext<D = unknown, P extends string = string> extends OpenContext<P> {
  /** The message exactly as it arrived. */
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

  /** The command's name, with its controller's prefix. Empty if the parser has no commands. */
  get command(): string {
    return this.#message.command
  }

  /** The data as the schema returned it. In middleware, before `next()`, it is the data as it arrived. */
  get data(): D {
    return this.#data as D
  }

  /** The message's `ext` field, unchecked. */
  get ext(): unknown {
    return this.#message.ext
  }

  /** The request's id. If it is set, the client waits for exactly one reply, which carries the same id. */
  get id(): string | number | undefined {
    return this.#message.id
  }

  /** @internal Replaces the data by what the schema returned. */
  setData(data: unknown): void {
    this.#data = data
  }
}

/** A connection that has closed. */
export class CloseContext<P extends string = string> extends ConnectionContext<P> {
  /** The close code (RFC 6455 §7.4.1). 1006 if the client vanished without a close frame. */
  readonly code: number
  readonly reason: string

  /** @internal */
  constructor(connection: Connection<P>, services: Services, code: number, reason: string) {
    super(connection, services)
    this.code = code
    this.reason = reason
  }
}
