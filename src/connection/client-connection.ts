import type { Connection, ConnectionMeta, Message, Params, Session } from '../api.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { encodePayload } from '../envelope/payload.ts'
import { KeptRequest, toRequest, toUrl, type UpgradeRequest } from '../modules/upgrade-request.ts'
import type { OverflowRules } from '../outbound/backlog.ts'
import type { Flusher } from '../outbound/flusher.ts'
import { type EncodedMessage, OutboundMessage } from '../outbound/outbound-message.ts'
import { Outbox } from '../outbound/outbox.ts'
import type { Transport } from '../outbound/transport.ts'
import { checkClose, CloseCode } from '../wire/close-codes.ts'

/** The events that a connection reports to the code around it. */
export interface ConnectionHooks {
  /** The connection begins to close, whichever side closes it: from now on it takes no messages. */
  readonly closing: (connection: ClientConnection) => void
  /** The server has disconnected the client: handlers must not begin for messages that still wait. */
  readonly expelled: (connection: ClientConnection) => void
  /** The connection has closed or is about to, and these messages will not reach its client. */
  readonly lost: (connection: ClientConnection, messages: readonly EncodedMessage[]) => void
}

/** The stamp of a binding that the store has not stamped yet. It is younger than every lookup. */
export const UNSTAMPED = Number.POSITIVE_INFINITY

const NO_GROUPS: ReadonlyMap<Group, number> = new Map()
const NO_GROUP_NAMES: ReadonlySet<string> = new Set()

/** One client's connection, from its accepted handshake on. It is open once the 101 has gone out. */
export class ClientConnection<P extends string = string> implements Connection<P> {
  readonly id: ConnectionId
  readonly params: Params<P>
  readonly session: Session
  readonly meta: ConnectionMeta
  /**
   * The offset of the last broadcast before the connection was added to the hub. It gets the broadcasts after that one.
   */
  lastBroadcast = 0
  /** The number of the last delivery that the hub remembered when the connection was added. */
  addedAfter = 0
  readonly #request: KeptRequest
  readonly #outbox: Outbox
  readonly #overflow: OverflowRules
  readonly #hooks: ConnectionHooks | undefined
  #abort: AbortController | undefined
  #isOver = false
  #isExpelled = false
  #closing: { readonly code: number; readonly reason: string } | undefined
  #uid: Uid | undefined
  #uidStamp = UNSTAMPED
  #groups: Map<Group, number> | undefined

  constructor(
    id: ConnectionId,
    {
      params,
      session,
      meta,
      request,
    }: { params: Params<P>; session: Session; meta: ConnectionMeta; request: UpgradeRequest },
    flusher: Flusher,
    overflow: OverflowRules,
    hooks?: ConnectionHooks,
  ) {
    this.id = id
    this.params = params
    this.session = session
    this.meta = meta
    this.#request = new KeptRequest(meta.path, request)
    this.#overflow = overflow
    this.#hooks = hooks
    this.#outbox = new Outbox(flusher, overflow)
  }

  /** The user that the connection is bound to: set by `authenticate`, by the handshake or by `cluster.register`. */
  get uid(): Uid | undefined {
    return this.#uid
  }

  get groups(): ReadonlySet<string> {
    return this.#groups === undefined ? NO_GROUP_NAMES : new Set<string>(this.#groups.keys())
  }

  /**
   * The request of the handshake: method, URL and headers, at most 4 KiB in all. If the request was larger, its longest
   * headers and query parameters are dropped after the handshake. Copy what you need for longer into `session` during
   * the handshake.
   */
  get request(): Request {
    return toRequest(this.#request)
  }

  /**
   * The URL of the handshake. Its host is whatever the client sent and proves nothing. Its size is limited like
   * `request`.
   */
  get url(): URL {
    return toUrl(this.#request)
  }

  /**
   * Aborts when the server disconnects the client (`disconnect`, an expired token, a limit), or when the connection has
   * closed.
   */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#isOver) this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Bytes that wait to be sent to the client. */
  get bufferedAmount(): number {
    return this.#outbox.bufferedAmount
  }

  /** Whether the connection takes messages: it is neither closing nor closed. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /**
   * Sends a message to this client alone. Returns false if the connection is closing or closed, or if the client reads
   * too slowly; that is never thrown.
   */
  send(message: Message): boolean {
    return this.write(new OutboundMessage(encodePayload(message)))
  }

  /**
   * Closes the connection after everything that was sent before. The client sees the code (RFC 6455 §7.4) and the
   * reason, at most 123 bytes. Messages of the client that still wait for a handler are dropped. Running handlers may
   * finish, and their `signal` aborts.
   */
  disconnect(code: number = CloseCode.kicked, reason = ''): void {
    checkClose(code, reason)
    this.#close(code, reason)
    this.#isExpelled = true
    this.#hooks?.expelled(this)
    this.#end()
  }

  // ---- internal: not part of the public `Connection`

  /** Closes because the node shuts down. The client is not at fault, so messages that it has sent are still handled. */
  sayGoodbye(): void {
    this.#close(CloseCode.goingAway, 'the node is going away')
  }

  #close(code: number, reason: string): void {
    if (this.#closing !== undefined) return
    this.#closing = { code, reason }
    this.#outbox.end(code, reason)
    this.#hooks?.closing(this)
  }

  #end(): void {
    this.#isOver = true
    this.#abort?.abort()
  }

  /** Whether the server has disconnected the client, so that no further handler may begin. */
  get isExpelled(): boolean {
    return this.#isExpelled
  }

  /**
   * Whether either side has begun to close. The client may already be connected elsewhere, and nothing reaches it here
   * any more.
   */
  get isGoing(): boolean {
    // Invariant D7: a push that comes now goes after its user.
    return this.#closing !== undefined || this.#outbox.isClosing
  }

  /** Gives the outbox a message, which may be shared with other connections. */
  write(message: OutboundMessage): boolean {
    if (this.#closing !== undefined) return false
    if (this.#outbox.isClosing) return this.#miss(message)
    const taken = this.#outbox.push(message)
    if (taken === 'full') this.#giveUp(message)
    return taken === 'kept'
  }

  /**
   * The client is closing or has gone, although its socket has not ended yet. The message goes to `lost`, so the client
   * gets it when it comes back.
   */
  #miss(message: OutboundMessage): false {
    this.#closing = { code: CloseCode.goingAway, reason: '' }
    this.#hooks?.closing(this)
    this.#hooks?.lost(this, [this.#outbox.encode(message)])
    return false
  }

  /**
   * The client reads too slowly. Waiting messages go to `lost` and the connection closes, so the client can reconnect
   * and catch up.
   */
  #giveUp(message: OutboundMessage): void {
    this.#overflow.counters.tooSlowCount++
    this.#hooks?.lost(this, [...this.#outbox.empty(), this.#outbox.encode(message)])
    this.disconnect(CloseCode.tooSlow, 'too slow')
  }

  /** The 101 has gone out: from now on messages go out over the transport. */
  opened(transport: Transport): void {
    this.#outbox.open(transport)
    if (this.#closing !== undefined) this.#outbox.end(this.#closing.code, this.#closing.reason)
  }

  /** Hands waiting messages to the transport before a close frame goes out. */
  finish(): void {
    this.#outbox.finish()
  }

  /** The transport has closed. */
  closed(): void {
    this.#closing ??= { code: CloseCode.goingAway, reason: '' }
    const lost = this.#outbox.close()
    if (lost.length > 0) this.#hooks?.lost(this, lost)
    this.#end()
  }

  get uidStamp(): number {
    return this.#uidStamp
  }

  /** Called only by the hub, which keeps its index in step. */
  setUid(uid: Uid | undefined): void {
    this.#uid = uid
    this.#uidStamp = UNSTAMPED
  }

  /** The store has stamped the binding. */
  stampUid(stamp: number): void {
    this.#uidStamp = stamp
  }

  /** The groups, each with the stamp of this connection's joining. */
  get groupStamps(): ReadonlyMap<Group, number> {
    return this.#groups ?? NO_GROUPS
  }

  /** Called only by the hub, which keeps its index in step. */
  setGroupStamp(group: Group, stamp: number | undefined): void {
    if (stamp !== undefined) {
      this.#groups ??= new Map()
      this.#groups.set(group, stamp)
      return
    }
    this.#groups?.delete(group)
    if (this.#groups?.size === 0) this.#groups = undefined
  }
}
