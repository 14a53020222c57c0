// The shapes that users see, types only: every room may import them, and none of them has behaviour.

/**
 * What is pushed: a string goes out as that text frame, a `Uint8Array` as that binary frame, anything else as JSON text.
 * Never `undefined`: JSON has no word for it.
 */
export type Message = {} | null

/** One or several ids. An empty list reaches nobody. */
export type Many = string | readonly string[]

type OneOf<T, K extends keyof T = keyof T> = K extends K
  ? { [P in K]: T[P] } & { [P in Exclude<keyof T, K>]?: never }
  : never

/** Whom a push is for: exactly one of a uid, a group, a connection (one or a list of each), or `all: true`. */
export type Target = OneOf<{ uid: Many; group: Many; connection: Many; all: true }>

export interface PushOptions {
  /** Who gets nothing although the target includes them. */
  except?: { uid?: Many; connection?: Many }
  /**
   * Idempotency key, 1 to 255 bytes. A push with the same id within 10 minutes, from any node, is not sent again and
   * gets the first one's receipt, of a long `offline` its count; one whose push failed is free to be sent again.
   */
  id?: string
  /**
   * What the message is about, 1 to 255 bytes: `price:42`, `typing`. Where the server's `overflow` is `collapse`, a slow
   * client is sent only the newest of the messages that wait for it under one key; elsewhere it changes nothing.
   */
  key?: string
}

/** How a connection whose client reads too slowly is kept within `maxBuffered`. */
export type Overflow = 'close' | 'dropOldest' | 'dropNewest' | 'collapse'

/** What a push that resolved has achieved: it is stored for every node that hosted a target when it was looked up. */
export interface Receipt {
  readonly id: string
  /** How many nodes it was stored for. */
  readonly nodeCount: number
  /** The uids, or connections, of the target that were connected nowhere. */
  readonly offline: readonly string[]
  /**
   * Only in the answer to a push that was sent before under its id, where more than 20 were connected nowhere: how many
   * they were. `offline` is empty then: their names are in the first receipt alone.
   */
  readonly offlineCount?: number
}

export interface Pusher {
  /**
   * The one primitive: pushes a message to a target, wherever in the cluster it is connected.
   *
   * @throws FlotillaError `FLT_BAD_TARGET`, `FLT_BAD_MESSAGE`, `FLT_BAD_ID`, `FLT_TOO_LARGE` for what is asked wrongly;
   * `FLT_STORE_AWAY`, `FLT_INBOX_FULL`, `FLT_INBOX_BEHIND`, `FLT_OVERLOADED` where it could not be stored;
   * `FLT_PUSH_PENDING`, `FLT_ID_REUSED` for a taken id.
   */
  push(target: Target, message: Message, options?: PushOptions): Promise<Receipt>
  /** `transport(message)` reaches everyone, `transport(message, uid)` that user or those users. */
  transport(message: Message, ...uid: [] | [uid: Many]): Promise<Receipt>
  transportToUid(message: Message, ...uids: string[]): Promise<Receipt>
  transportToGroup(message: Message, ...groups: string[]): Promise<Receipt>
  transportToAll(message: Message): Promise<Receipt>
}

export interface ConnectionInfo {
  readonly connection: string
  readonly uid?: string
  readonly node: string
  /** The path it connected to, without the query; of a group's members, that of their module, such as `/chat/:room`. */
  readonly path: string
  readonly ip: string
  /** When it opened, in ms since 1970 by its node's clock. */
  readonly since: number
}

export interface NodeInfo {
  readonly node: string
  readonly name: string
  readonly url?: string
  /** ms since 1970 by the node's own clock. */
  readonly startedAt: number
  /** When it last renewed its lease, in ms since 1970 by the store's clock. */
  readonly lastSeen: number
  readonly connectionCount: number
}

export interface MemberPage {
  /** At most this many members; 100 where not given, 1000 at most. */
  limit?: number
  /**
   * Where the page before this one ended. Over the pages, whoever stays in the group is listed, some of them perhaps twice
   * where others come and go.
   */
  cursor?: string
}

/** Who is where, answered from State and never by asking the nodes. */
export interface Directory {
  isOnline(uid: string): Promise<boolean>
  connections(uid: string): Promise<ConnectionInfo[]>
  members(
    group: string,
    page?: MemberPage,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }>
  nodes(): Promise<NodeInfo[]>
  counts(): Promise<{ nodeCount: number; connectionCount: number }>
}

/** Why a node went: it said goodbye, was put out by `evict`, or fell silent for longer than `deadAfter`. */
export type ShutdownReason = 'closed' | 'evicted' | 'dead'

export interface ClusterEvents {
  receive: { node: string; connection: string; uid?: string; data: string | Uint8Array }
  register: { node: string; connection: string; uid: string }
  logout: { node: string; connection: string; uid: string }
  discover: { node: string; name: string }
  shutdown: { node: string; reason: ShutdownReason }
}

export interface Cluster extends Pusher, Directory {
  /** This node's id. It changes when the node had to join again. */
  readonly self: string
  /** Binds a connection to a user, replacing the one it had. Without a uid one is generated. Resolves to the uid, stored. */
  register(connection: Connection, uid?: string): Promise<string>
  /** Unbinds a connection from its user. It stays open, and in its groups. */
  logout(connection: Connection): Promise<void>
  /** Puts the target's connections of this moment into groups; resolves to how many they were, once that is stored. */
  join(target: Target, ...groups: string[]): Promise<number>
  leave(target: Target, ...groups: string[]): Promise<number>
  /** Closes the target's connections of this moment; 4403 where no code is given. Resolves to how many they were. */
  disconnect(target: Target, code?: number, reason?: string): Promise<number>
  /** Declares a node dead: its users are unbound and its inbox handed on. If it lives, it joins again under a new id. */
  evict(node: string): Promise<void>
  /** Listens to what happens on this node; returns the call that ends it. */
  on<E extends keyof ClusterEvents>(event: E, listener: (event: ClusterEvents[E]) => void): () => void
}

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

/** One client's connection, from its accepted handshake on. */
export interface Connection<P extends string = string> {
  readonly id: string
  readonly params: Params<P>
  readonly session: Session
  readonly meta: ConnectionMeta
  /** The user it is bound to, as `authenticate`, the handshake or `cluster.register` said. */
  readonly uid: string | undefined
  readonly groups: ReadonlySet<string>
  /**
   * The handshake's request: method, URL and headers, 4 KiB in all. If the request was larger, its longest headers and query
   * parameters are missing after the handshake: copy what you need for longer into `session` there.
   */
  readonly request: Request
  /** The handshake's URL, bounded as `request` is. Its host is what the client said and proves nothing. */
  readonly url: URL
  /** Aborts when the client is put out (`disconnect`, an expired token, a limit), or when the connection has closed. */
  readonly signal: AbortSignal
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number
  /** Whether it takes messages: neither closing nor closed. */
  readonly isOpen: boolean
  /** @internal The server put the client out: none of its handlers begins any more. */
  readonly isExpelled: boolean
  /** Sends to this client alone. False if the connection is closing, closed or too slow; never throws for that. */
  send(message: Message): boolean
  /**
   * Closes after what was sent before; the client sees the code (RFC 6455 §7.4), 4403 by default, and the reason, at most
   * 123 bytes. Messages of the client that wait for a handler are dropped; handlers at work may end, and their `signal`
   * aborts.
   *
   * @throws FlotillaError `FLT_BAD_REQUEST` for a code or reason that no close frame can hold
   */
  disconnect(code?: number, reason?: string): void
}

/** Where an error happened. */
export type ErrorPhase = 'handshake' | 'open' | 'message' | 'close' | 'push' | 'consume'

export interface ErrorReport {
  readonly phase: ErrorPhase
  readonly error: unknown
  readonly connection?: Connection
}
