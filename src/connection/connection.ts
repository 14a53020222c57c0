import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Message } from '../api.ts'
import type { ConnectionId, Group, Uid } from '../envelope/ids.ts'
import { encodePayload } from '../envelope/payload.ts'
import { KeptRequest, toRequest, toUrl, type UpgradeRequest } from '../modules/upgrade-request.ts'
import type { OverflowRules } from '../outbound/backlog.ts'
import type { Flusher } from '../outbound/flusher.ts'
import { Frame } from '../outbound/frame.ts'
import { Outbox } from '../outbound/outbox.ts'
import { checkClose, CloseCode } from '../wire/close-codes.ts'

/** The parameters in a path: `Params<'/chat/:room'>` is `{ room: string }`. */
export type Params<P extends string> = P extends `${string}/:${infer R}`
  ? { readonly [K in NameOf<R>]: string } & Params<R extends `${string}/${infer T}` ? `/${T}` : ''>
  : {}
type NameOf<S extends string> = S extends `${infer N}/${string}` ? N : S

/** The one bag of attributes: local, alive from the handshake on. Give it types by augmenting this interface. */
export interface Session {}

export interface ConnectionMeta {
  /** The client's address; what a forwarded header says only where `trustProxy` allows it. */
  readonly ip: string
  readonly port: number
  /** Without the query, which may hold a token. */
  readonly path: string
  /** The path of its module, such as `/chat/:room`. */
  readonly pattern: string
  /** ms since 1970. */
  readonly openedAt: number
}

/** What its surroundings are told of a connection. */
export interface ConnectionHooks {
  /** It begins to close, whoever closes it: from then on it takes no messages. */
  readonly closing: (connection: Connection) => void
  /** The server put its client out: what the client has sent and nobody has begun to handle must not run. */
  readonly expelled: (connection: Connection) => void
  /** It has closed, or is about to, and these will not reach its client. */
  readonly lost: (connection: Connection, frames: readonly Frame[]) => void
}

/** Younger than every lookup: what a binding is until the store has stamped it. */
export const UNSTAMPED = Number.POSITIVE_INFINITY

const NO_GROUPS: ReadonlyMap<Group, number> = new Map()
const NO_GROUP_NAMES: ReadonlySet<string> = new Set()

/** One WebSocket, from its accepted handshake on; open once the 101 has gone out. */
export class Connection<P extends string = string> {
  readonly id: ConnectionId
  readonly params: Params<P>
  readonly session: Session
  readonly meta: ConnectionMeta
  /** @internal The broadcast that had come last when it was added: it gets those that come after. */
  lastBroadcast = 0
  /** @internal The number of the last delivery that is remembered from before it was added. */
  addedAfter = 0
  readonly #request: KeptRequest
  readonly #outbox: Outbox
  readonly #overflow: OverflowRules
  readonly #hooks: ConnectionHooks | undefined
  #socket: WebSocket | undefined
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
    return this.write(new Frame(encodePayload(message)))
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

  /** @internal Closes because the node goes away, which is not the client's doing: what it has sent is still handled. */
  sayGoodbye(): void {
    this.#close(CloseCode.goingAway, 'the node is going away')
  }

  #close(code: number, reason: string): void {
    if (this.#closing !== undefined) return
    this.#closing = { code, reason }
    this.#closeSocket()
    this.#hooks?.closing(this)
  }

  #end(): void {
    this.#isOver = true
    this.#abort?.abort()
  }

  /** @internal The server put its client out: none of its handlers begins any more. */
  get isExpelled(): boolean {
    return this.#isExpelled
  }

  /** @internal Its client has begun to close it, and may be elsewhere already: nothing reaches it here any more. */
  get isGoing(): boolean {
    return this.#closing !== undefined || this.#outbox.isClosing
  }

  /** @internal Hands a ready frame to the outbox. */
  write(frame: Frame): boolean {
    if (this.#closing !== undefined) return false
    if (this.#outbox.isClosing) return this.#miss(frame)
    const taken = this.#outbox.push(frame)
    if (taken === 'full') this.#giveUp(frame)
    return taken === 'kept'
  }

  /** The client is closing, or has gone, and the socket's end has not come yet: whoever comes back gets what it misses. */
  #miss(frame: Frame): false {
    this.#closing = { code: CloseCode.goingAway, reason: '' }
    this.#hooks?.closing(this)
    this.#hooks?.lost(this, [frame])
    return false
  }

  /** What waits would not reach the client in time: it goes, so that the client can come back and start anew. */
  #giveUp(frame: Frame): void {
    this.#overflow.counters.tooSlowCount++
    this.#hooks?.lost(this, [...this.#outbox.empty(), frame])
    this.disconnect(CloseCode.tooSlow, 'too slow')
  }

  /**
   * @internal The 101 has gone out: from now on frames go to the socket.
   * @param deflateFrom bytes from which on messages go compressed, if the client has agreed to it
   */
  opened(socket: WebSocket, raw: Duplex, deflateFrom?: number): void {
    this.#socket = socket
    this.#outbox.open(socket, raw, socket.extensions === '' ? undefined : deflateFrom)
    this.#closeSocket()
  }

  /** @internal Hands to the socket what still waits, before a close frame goes out. */
  finish(): void {
    this.#outbox.finish()
  }

  /** @internal The socket is gone. */
  closed(): void {
    this.#closing ??= { code: CloseCode.goingAway, reason: '' }
    const lost = this.#outbox.close()
    if (lost.length > 0) this.#hooks?.lost(this, lost)
    this.#end()
  }

  #closeSocket(): void {
    if (this.#closing === undefined || this.#socket === undefined) return
    this.#outbox.finish()
    this.#socket.close(this.#closing.code, this.#closing.reason)
  }

  /** @internal */
  get uidStamp(): number {
    return this.#uidStamp
  }

  /** @internal Only the hub calls it, which keeps its index in step. */
  setUid(uid: Uid | undefined): void {
    this.#uid = uid
    this.#uidStamp = UNSTAMPED
  }

  /** @internal The store has stamped the binding. */
  stampUid(stamp: number): void {
    this.#uidStamp = stamp
  }

  /** @internal Groups with the stamp of this connection's joining. */
  get memberships(): ReadonlyMap<Group, number> {
    return this.#groups ?? NO_GROUPS
  }

  /** @internal Only the hub calls it, which keeps its index in step. */
  setMembership(group: Group, stamp: number | undefined): void {
    if (stamp !== undefined) {
      this.#groups ??= new Map()
      this.#groups.set(group, stamp)
      return
    }
    this.#groups?.delete(group)
    if (this.#groups?.size === 0) this.#groups = undefined
  }
}
