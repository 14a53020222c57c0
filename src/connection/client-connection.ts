import type { Connection, ConnectionMeta, Message, Params, Session } from '../api.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { encodePayload } from '../envelope/payload.ts'
import { KeptRequest, toRequest, toUrl, type UpgradeRequest } from '../modules/upgrade-request.ts'
import type { OverflowRules } from '../outbound/backlog.ts'
import type { EncodedMessage } from '../outbound/encoded-message.ts'
import type { Flusher } from '../outbound/flusher.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import { Outbox } from '../outbound/outbox.ts'
import type { Transport } from '../outbound/transport.ts'
import { checkClose, CloseCode } from '../wire/close-codes.ts'

/** What the rooms around a connection are told of it. */
export interface ConnectionHooks {
  /** The connection begins to close, whoever closes it: from now on it takes no messages. */
  readonly closing: (connection: ClientConnection) => void
  /** The server put the client out: messages of the client that no handler has begun with must not run. */
  readonly expelled: (connection: ClientConnection) => void
  /** The connection has closed, or is about to, and these messages will not reach its client. */
  readonly lost: (connection: ClientConnection, messages: readonly EncodedMessage[]) => void
}

/** Younger than every lookup: what a binding is until the store has stamped it. */
export const UNSTAMPED = Number.POSITIVE_INFINITY

const NO_GROUPS: ReadonlyMap<Group, number> = new Map()
const NO_GROUP_NAMES: ReadonlySet<string> = new Set()

/** One WebSocket, from its accepted handshake on; open once the 101 has gone out. */
export class ClientConnection<P extends string = string> implements Connection<P> {
  readonly id: ConnectionId
  readonly params: Params<P>
  readonly session: Session
  readonly meta: ConnectionMeta
  /** The broadcast that had come last when it was added: it gets those that come after. */
  lastBroadcast = 0
  /** The number of the last delivery that is remembered from before it was added. */
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

  /** The user it is bound to, as `authenticate`, the handshake or `cluster.register` said. */
  get uid(): Uid | undefined {
    return this.#uid
  }

  get groups(): ReadonlySet<string> {
    return this.#groups === undefined ? NO_GROUP_NAMES : new Set<string>(this.#groups.keys())
  }

  /**
   * The handshake's request: method, URL and headers, 4 KiB in all. Of a larger one the longest headers and query parameters
   * are left out after the handshake: what you need of them for longer, copy into `session` there.
   */
  get request(): Request {
    return toRequest(this.#request)
  }

  /** The handshake's URL. Its host is what the client said and proves nothing. Bounded as `request` is. */
  get url(): URL {
    return toUrl(this.#request)
  }

  /** Aborts when the client is put out (`disconnect`, an expired token, a limit), or when the connection has closed. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#isOver) this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount(): number {
    return this.#outbox.bufferedAmount
  }

  /** Whether it takes messages: not closing, not closed. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /** Sends to this client alone. False when it is closing, closed or too slow; never throws for that. */
  send(message: Message): boolean {
    return this.write(new OutboundMessage(encodePayload(message)))
  }

  /**
   * Closes after what was sent before; the client sees the code (RFC 6455 §7.4) and the reason, at most 123 bytes. Messages
   * of the client that wait for a handler are dropped; the handlers at work may end, and their `signal` aborts.
   */
  disconnect(code: number = CloseCode.kicked, reason = ''): void {
    checkClose(code, reason)
    this.#close(code, reason)
    this.#isExpelled = true
    this.#hooks?.expelled(this)
    this.#end()
  }

  // ---- for the rooms around it; none of it is for users

  /** Closes because the node goes away, which is not the client's doing: what it has sent is still handled. */
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

  /** The server put its client out: none of its handlers begins any more. */
  get isExpelled(): boolean {
    return this.#isExpelled
  }

  /** Its client has begun to close it, and may be elsewhere already: nothing reaches it here any more. */
  get isGoing(): boolean {
    return this.#closing !== undefined || this.#outbox.isClosing
  }

  /** Hands a message, which many may get, to the outbox. */
  write(message: OutboundMessage): boolean {
    if (this.#closing !== undefined) return false
    if (this.#outbox.isClosing) return this.#miss(message)
    const taken = this.#outbox.push(message)
    if (taken === 'full') this.#giveUp(message)
    return taken === 'kept'
  }

  /** The client is closing, or has gone, and the socket's end has not come yet: whoever comes back gets what it misses. */
  #miss(message: OutboundMessage): false {
    this.#closing = { code: CloseCode.goingAway, reason: '' }
    this.#hooks?.closing(this)
    this.#hooks?.lost(this, [this.#outbox.encode(message)])
    return false
  }

  /** What waits would not reach the client in time: it goes, so that the client can come back and start anew. */
  #giveUp(message: OutboundMessage): void {
    this.#overflow.counters.tooSlowCount++
    this.#hooks?.lost(this, [...this.#outbox.empty(), this.#outbox.encode(message)])
    this.disconnect(CloseCode.tooSlow, 'too slow')
  }

  /** The handshake was answered: from now on messages go out by the transport. */
  opened(transport: Transport): void {
    this.#outbox.open(transport)
    if (this.#closing !== undefined) this.#outbox.end(this.#closing.code, this.#closing.reason)
  }

  /** Hands to the transport what still waits, before a close frame goes out. */
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

  /** Only the hub calls it, which keeps its index in step. */
  setUid(uid: Uid | undefined): void {
    this.#uid = uid
    this.#uidStamp = UNSTAMPED
  }

  /** The store has stamped the binding. */
  stampUid(stamp: number): void {
    this.#uidStamp = stamp
  }

  /** Groups with the stamp of this connection's joining. */
  get groupStamps(): ReadonlyMap<Group, number> {
    return this.#groups ?? NO_GROUPS
  }

  /** Only the hub calls it, which keeps its index in step. */
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
