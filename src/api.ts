// The public types. They have no behaviour, so every room may import them.

/**
 * A message to push. A string goes out as a text frame, a `Uint8Array` as a binary frame, and anything else as JSON in
 * a text frame. It cannot be `undefined`, which JSON cannot express.
 */
export type Message = {} | null

/** One or several ids. An empty list reaches nobody. */
export type Many = string | readonly string[]

type OneOf<T, K extends keyof T = keyof T> = K extends K
  ? { [P in K]: T[P] } & { [P in Exclude<keyof T, K>]?: never }
  : never

/** The target of a push: exactly one of `uid`, `group` or `connection` (one id or a list), or `all: true`. */
export type Target = OneOf<{ uid: Many; group: Many; connection: Many; all: true }>

/** Options of a push. */
export interface PushOptions {
  /** Users and connections that do not get the message, even if the target includes them. */
  except?: { uid?: Many | undefined; connection?: Many | undefined } | undefined
  /**
   * An idempotency key of 1 to 255 bytes. If a push with the same id succeeded within the last 10 minutes, on any node,
   * this push is not sent: it resolves to the first one's receipt (a long `offline` list becomes `offlineCount`). If
   * that push failed, this one is sent.
   */
  id?: string | undefined
  /**
   * The subject of the message, 1 to 255 bytes, such as `price:42` or `typing`. If the server's `overflow` is
   * `collapse`, a slow client gets only the newest of the waiting messages with the same key. Otherwise the key has no
   * effect.
   */
  key?: string | undefined
  /**
   * Only for a push to users: whoever of them is on no node gets the message if they connect within this many ms, 1 to
   * 60,000. It waits for the connection that comes first, among at most 100 messages and one MiB for each user. The
   * receipt names in `held` for whom it waits.
   */
  hold?: number | undefined
}

/** How the server keeps a connection within `maxBuffered` if its client reads too slowly. */
export type Overflow = 'close' | 'dropOldest' | 'dropNewest' | 'collapse'

/** The result of a push: the message is stored for every node that hosted the target when it was looked up. */
export interface Receipt {
  /** The push's id: the one that the caller gave, otherwise a generated one. */
  readonly id: string
  /** The number of nodes that the message was stored for. */
  readonly nodeCount: number
  /** The uids or connections of the target that were not connected to any node. */
  readonly offline: readonly string[]
  /**
   * Set only if a push is repeated with its id and more than 20 uids or connections were offline at the first push. It
   * is their number. `offline` is empty then, because only the first receipt has their names.
   */
  readonly offlineCount?: number
  /**
   * Set only if the push had `hold`: those of `offline` for whom the message waits now. Whoever is in `offline` alone has
   * no room left for it, or is in `except`.
   */
  readonly held?: readonly string[]
  /** Set together with `offlineCount` if the push had `hold`: how many were held. `held` is empty then. */
  readonly heldCount?: number
}

/** The ways to push a message. */
export interface Pusher {
  /**
   * Pushes a message to a target, whichever nodes it is connected to. The other methods are short forms of this one.
   *
   * @throws FlotillaError `FLT_BAD_TARGET`, `FLT_BAD_MESSAGE`, `FLT_BAD_ID`, `FLT_BAD_REQUEST` or `FLT_TOO_LARGE` if an
   * argument is wrong; `FLT_STORE_AWAY`, `FLT_INBOX_FULL`, `FLT_INBOX_BEHIND` or `FLT_OVERLOADED` if the message could
   * not be stored; `FLT_PUSH_PENDING` or `FLT_ID_REUSED` if the id is taken
   */
  push(target: Target, message: Message, options?: PushOptions): Promise<Receipt>
  /** `transport(message)` pushes to everyone, `transport(message, uid)` to that user or those users. */
  transport(message: Message, ...uid: [] | [uid: Many]): Promise<Receipt>
  /** Short for `push({ uid: uids }, message)`. */
  transportToUid(message: Message, ...uids: string[]): Promise<Receipt>
  /** Short for `push({ group: groups }, message)`. */
  transportToGroup(message: Message, ...groups: string[]): Promise<Receipt>
  /** Short for `push({ all: true }, message)`. */
  transportToAll(message: Message): Promise<Receipt>
}

/** One connection, as State lists it. */
export interface ConnectionInfo {
  readonly connection: string
  readonly uid?: string
  readonly node: string
  /** The path that it connected to, without the query; in a list of members, the module's path (`/chat/:room`). */
  readonly path: string
  readonly ip: string
  /** When it opened, in ms since 1970, by its node's clock. */
  readonly since: number
}

/** One node of the cluster, as State lists it. */
export interface NodeInfo {
  /** The node's id. */
  readonly node: string
  /** The `name` that the node was given. Several nodes may have the same name. */
  readonly name: string
  readonly url?: string
  /** When the node started, in ms since 1970, by its own clock. */
  readonly startedAt: number
  /** When the node last renewed its lease, in ms since 1970, by the store's clock. */
  readonly lastSeen: number
  readonly connectionCount: number
}

/** The page of a group's members to return. */
export interface MemberPage {
  /** The most members that the page may hold. Default 100, at most 1000. */
  limit?: number | undefined
  /**
   * The `cursor` of the page before this one. All pages together list every member who stays in the group meanwhile. If
   * others join or leave, some may be listed twice.
   */
  cursor?: string | undefined
}

/** Answers questions about users, groups and nodes. All answers come from State, never from other nodes. */
export interface Directory {
  /** Whether the user has a connection on any node. */
  isOnline(uid: string): Promise<boolean>
  /** The user's connections on all nodes. */
  connections(uid: string): Promise<ConnectionInfo[]>
  /** One page of a group's members. If there are more, the answer has a `cursor` for the next page. */
  members(
    group: string,
    page?: MemberPage,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }>
  /** The live nodes. */
  nodes(): Promise<NodeInfo[]>
  /** The number of live nodes, and of all their connections. */
  counts(): Promise<{ nodeCount: number; connectionCount: number }>
}

/** Why a node left: it closed, `evict` removed it, or it was silent for longer than `deadAfter`. */
export type ShutdownReason = 'closed' | 'evicted' | 'dead'

/** The events of one node, for `cluster.on`. */
export interface ClusterEvents {
  /** A client of this node sent a message. */
  receive: { node: string; connection: string; uid?: string; data: string | Uint8Array }
  /** A connection of this node was bound to a user. */
  register: { node: string; connection: string; uid: string }
  /** A connection of this node was unbound from its user, or closed. */
  logout: { node: string; connection: string; uid: string }
  /** Another node joined the cluster. */
  discover: { node: string; name: string }
  /** Another node left the cluster. */
  shutdown: { node: string; reason: ShutdownReason }
}

/** The cluster, as one of its nodes sees it. */
export interface Cluster extends Pusher, Directory {
  /** This node's id. It changes if the node has to join the cluster again. */
  readonly self: string
  /**
   * Binds a connection to a user, in place of the user that it had. If no uid is given, one is generated. Resolves to
   * the uid once the binding is stored.
   */
  register(connection: Connection, uid?: string): Promise<string>
  /** Unbinds a connection from its user. It stays open, and stays in its groups. */
  logout(connection: Connection): Promise<void>
  /** Puts the target's present connections into groups. Resolves to their number once that is stored. */
  join(target: Target, ...groups: string[]): Promise<number>
  /** Takes the target's present connections out of groups. Resolves to their number once that is stored. */
  leave(target: Target, ...groups: string[]): Promise<number>
  /** Closes the target's present connections, with 4403 if no code is given. Resolves to their number. */
  disconnect(target: Target, code?: number, reason?: string): Promise<number>
  /**
   * Declares a node dead: its users are unbound, and another node takes over its inbox. If the node is in fact alive,
   * it joins again under a new id.
   */
  evict(node: string): Promise<void>
  /** Listens to events on this node. Returns a function that stops listening. */
  on<E extends keyof ClusterEvents>(event: E, listener: (event: ClusterEvents[E]) => void): () => void
}

/** The parameters in a path: `Params<'/chat/:room'>` is `{ room: string }`. */
export type Params<P extends string> = P extends `${string}/:${infer R}`
  ? { readonly [K in NameOf<R>]: string } & Params<R extends `${string}/${infer T}` ? `/${T}` : ''>
  : {}
type NameOf<S extends string> = S extends `${infer N}/${string}` ? N : S

/**
 * Attributes of a connection that your hooks and handlers share, from the handshake on. They stay on this node. To give
 * them types, augment this interface.
 */
export interface Session {}

/** Facts about a connection, known from its handshake on. */
export interface ConnectionMeta {
  /** The client's address. Forwarded headers count only if `trustProxy` allows it. */
  readonly ip: string
  readonly port: number
  /** The path of the handshake, without the query, which may hold a token. */
  readonly path: string
  /** The path of the module, such as `/chat/:room`. */
  readonly pattern: string
  /** When the connection opened, in ms since 1970. */
  readonly openedAt: number
}

/** The connection of one client, once its handshake was accepted. */
export interface Connection<P extends string = string> {
  readonly id: string
  readonly params: Params<P>
  readonly session: Session
  readonly meta: ConnectionMeta
  /** The user that the connection is bound to, as `authenticate`, a handshake hook or `cluster.register` decided. */
  readonly uid: string | undefined
  readonly groups: ReadonlySet<string>
  /**
   * The handshake's request: method, URL and headers, at most 4 KiB in all. If the request was larger, its longest
   * headers and query parameters are dropped after the handshake, so copy what you need later into `session` during the
   * handshake.
   */
  readonly request: Request
  /** The handshake's URL, bounded as `request` is. Its host is whatever the client sent, so it proves nothing. */
  readonly url: URL
  /** Aborts when the server disconnects the client (`disconnect`, expired token, limit) or the connection closes. */
  readonly signal: AbortSignal
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number
  /** Whether messages can be sent: the connection is neither closing nor closed. */
  readonly isOpen: boolean
  /** @internal Whether the server disconnected the client. If so, no further handler starts. */
  readonly isExpelled: boolean
  /** Sends to this client alone. Returns false if the connection is closing, closed or too slow, and does not throw. */
  send(message: Message): boolean
  /**
   * Closes the connection once everything sent before has gone out. The client sees the code (RFC 6455 §7.4), 4403 by
   * default, and the reason, of at most 123 bytes. The client's messages that wait for a handler are dropped. Handlers
   * that are running may finish, and their `signal` aborts.
   *
   * @throws FlotillaError `FLT_BAD_REQUEST` if no close frame can hold the code or the reason
   */
  disconnect(code?: number, reason?: string): void
}

/** The stage at which an error happened. */
export type ErrorPhase = 'handshake' | 'open' | 'message' | 'close' | 'push' | 'consume'

/** An error, as `onError` gets it. */
export interface ErrorReport {
  readonly phase: ErrorPhase
  readonly error: unknown
  readonly connection?: Connection
}
