import type { RequestListener } from 'node:http'
import type { ErrorReport, Overflow } from './api.ts'
import type { Driver } from './drivers/driver.ts'
import type { Codec } from './envelope/envelope.ts'
import type { Method } from './lib/method.ts'
import type { Logger } from './logger.ts'
import type { Middlewares, ModuleClass, ModuleDefinition } from './modules/module.ts'
import {
  bytes,
  choice,
  type ChoiceOption,
  code,
  type CodeOption,
  count,
  milliseconds,
  type NumberOption,
  value,
  type ValueOption,
} from './option-row.ts'

/** The options of `createServer`. Times are in ms, sizes in bytes. */
export interface ServerOptions {
  /** The modules: classes with `@WsModule`, instances of them, or what `defineModule` returned. */
  modules: (ModuleDefinition | object | ModuleClass)[]
  /** State and Queue. Default `memory()`, which serves one process and keeps nothing when it ends. */
  driver?: Driver | undefined
  /** Middleware that runs around every module's own. */
  middleware?: Middlewares | undefined
  /** Makes the instances of module and controller classes, for dependency injection. Default: `new`. */
  resolve?: Method<[type: new (...a: never[]) => object], object> | undefined
  /** A logger shaped like pino's. Default: silent. */
  logger?: Logger | false | undefined
  /** Called with every error that could not be returned to a caller. A push that fails also rejects. */
  onError?: Method<[report: ErrorReport], void> | undefined
  /**
   * The node's name: letters, digits, `_`, `.` and `-`. Default: random. Nodes with the same name have different ids.
   */
  name?: string | undefined
  /** The URL that `nodes()` lists for this node. Default: the URL on which it listens. */
  url?: string | undefined
  /**
   * The beginning of every key in the store. Clusters with different prefixes never see each other. Default `flotilla`.
   */
  prefix?: string | undefined
  /** Time between two renewals of this node's lease. Default 3000 ms. */
  heartbeat?: number | undefined
  /** A node that is silent for this long counts as dead. At least three heartbeats. Default 10000 ms. */
  deadAfter?: number | undefined
  /**
   * Time between two WebSocket pings to a client. Two unanswered pings close the connection with 1006.
   * Default 25000 ms; 0 for no pings.
   */
  pingInterval?: number | undefined
  /** No longer has any effect: an inbox entry that waits for one user does not delay the others. Default 1. */
  consumers?: number | undefined
  /** Bytes that one message may have, uncompressed, from a client or pushed. Default 1048576 (1 MiB). */
  maxPayload?: number | undefined
  /**
   * Compresses messages (permessage-deflate, RFC 7692) for clients that offer it, as browsers do. Default: off. It pays
   * if JSON or text of a kilobyte or more goes to many clients, or over slow lines. Each node compresses a message once,
   * however many connections get it. That takes about 10 µs for a kilobyte and 7 ms for a megabyte, and the node does
   * nothing else meanwhile. No context is kept between messages, so an idle connection costs no more memory. Do not put a
   * secret into the same message as text that somebody else can choose: the length gives the secret away (BREACH).
   */
  compression?: boolean | CompressionOptions | undefined
  /** How many messages of one connection may wait for its handlers before reading pauses. Default 100. */
  maxPending?: number | undefined
  /**
   * Bytes that may wait for a client that reads too slowly. `overflow` says what happens beyond that.
   * Default 1048576 (1 MiB).
   */
  maxBuffered?: number | undefined
  /**
   * The policy beyond `maxBuffered`. `close` (default) closes the connection with 4408. `dropOldest` and `dropNewest`
   * drop messages. `collapse` keeps only the newest of the messages that were pushed with the same `key`, and closes the
   * connection if that is not enough.
   */
  overflow?: Overflow | undefined
  /** Most connections of one user to this node. The next one is refused with 429. Default 100. */
  maxConnectionsPerUid?: number | undefined
  /** Most connections to this node. The next one is refused with 503. Default 0: no limit. */
  maxConnections?: number | undefined
  /**
   * Most connections to this node from one client address, or one /64 network of IPv6. The next one is refused with 429.
   * Behind a proxy, set `trustProxy` as well. Many users may share an address. Default 0: no limit.
   */
  maxConnectionsPerIp?: number | undefined
  /**
   * Most handshakes in progress at once. The next one is refused with 503. It also limits the sockets that are not
   * WebSockets, on servers that Flotilla makes: sockets that have not sent a request yet, and HTTP connections that are
   * kept alive. Beyond the limit, the socket is closed on which the server has waited longest for a request or for the
   * rest of one. One client address, or /64 network of IPv6, may hold at most as many of either as are still free, so at
   * most half of them. Its next handshake is refused with 429. The sockets of a trusted proxy count only towards the
   * total. Default 10000.
   */
  maxHandshakes?: number | undefined
  /**
   * Messages that a client may send each second. Five seconds' worth may come at once. A client that sends more is closed
   * with 1008. Default 0: no limit.
   */
  maxMessagesPerSecond?: number | undefined
  /**
   * Messages that all clients of one address, or one /64 network of IPv6, may send together each second. Otherwise like
   * `maxMessagesPerSecond`. Default 0: no limit.
   */
  maxMessagesPerSecondPerIp?: number | undefined
  /** Most groups of one connection. Joining more fails with `FLT_TOO_MANY`. Default 1000. */
  maxGroupsPerConnection?: number | undefined
  /** How long a push or a handshake waits for a store that is away. Default 5000 ms. */
  storeWait?: number | undefined
  /** How long the first contact with the store may take at start. Default 10000 ms. */
  connectTimeout?: number | undefined
  /**
   * Bytes that may wait in one node's inbox. Beyond that, pushes to it fail with `FLT_INBOX_FULL`.
   * Default 67108864 (64 MiB).
   */
  maxInboxBytes?: number | undefined
  /**
   * How old, by the store's clock, the oldest entry may be that waits for a node, in its inbox or among the broadcasts.
   * Beyond that, pushes to the node fail with `FLT_INBOX_BEHIND`. At least `deadAfter`, because nobody reads a dead node's
   * inbox until the takeover; two heartbeats more are better. Default 0 ms: no limit but `maxInboxBytes`.
   */
  maxLag?: number | undefined
  /**
   * Bytes of pushes that may wait for the store at once. Beyond that, up to as many bytes again wait for room, for at most
   * `storeWait`, and then fail with `FLT_OVERLOADED`. Default 67108864 (64 MiB).
   */
  maxWaitingBytes?: number | undefined
  /** How long a client may take from connecting to its 101, on servers that Flotilla made. Default 10000 ms. */
  handshakeTimeout?: number | undefined
  /** How long an HTTP request may take to arrive, body and all, on servers that Flotilla made. Default 30000 ms. */
  requestTimeout?: number | undefined
  /**
   * How long a server that Flotilla made keeps an HTTP connection open after a request, for the next one. It must be
   * longer than the proxy before it does, or the proxy sends requests into connections that are being closed. Default
   * 75000 ms, because most proxies take 60 s.
   */
  keepAliveTimeout?: number | undefined
  /**
   * Addresses or CIDR ranges of the proxies whose `X-Forwarded-For` is trusted. If a proxy leaves out or hides a client's
   * address, the client counts as the proxy. The addresses in the header may have ports.
   */
  trustProxy?: readonly string[] | undefined
  /** How envelopes are encoded: `binary` (default), `json` for people to read, or your own. The same on every node. */
  codec?: 'binary' | 'json' | Codec | undefined
  /** Makes a uid if `cluster.register(connection)` gets none. Default: a random UUID. */
  generateUid?: (() => string) | undefined
  /** Serves WSS on servers that Flotilla makes. Both are in PEM. `server.setTls` replaces them. */
  tls?: { cert: string | Buffer; key: string | Buffer } | undefined
  /** Answers plain HTTP requests on servers that Flotilla makes. Default: they get 404 or 426. */
  http?: RequestListener | undefined
}

export interface CompressionOptions {
  /** Messages of at least this many bytes are compressed. Default 1024. */
  threshold?: number | undefined
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MIB = 2 ** 20
const GIB = 2 ** 30
const MILLIONS = 10_000_000

const WORD = `1 to 64 letters, digits, '_', '.' or '-'`

/** The default threshold: messages of at least this many bytes are compressed. */
export const COMPRESSION_THRESHOLD = 1024

/**
 * Every option of `createServer` as data: its help, its default, its bounds and the values that it takes. Use it for a
 * command line or a settings page of your own. The checks of `createServer`, the flags, help and config file of
 * `flotilla start`, and the table in docs/library.md all come from it.
 */
export const optionTable = {
  modules: code({ default: 'required', help: 'classes, instances and definitions of modules' }),
  driver: code({
    default: '`memory()`',
    help: 'State and Queue: `redis({ url })` from `flotilla/redis`; `{ state: a.state, queue: b.queue }` mixes two drivers',
  }),
  middleware: code({ default: 'none', help: "runs around every module's own middleware" }),
  resolve: code({
    default: '`new`',
    help: 'makes the instances of module and controller classes, for dependency injection',
  }),
  logger: code({ default: 'silent', help: "a logger shaped like pino's" }),
  onError: code({ default: 'none', help: 'called with every error that could not be returned to a caller' }),
  name: value({
    type: 'text',
    default: 'random',
    takes: WORD,
    flag: 'cluster',
    help: "this node's name",
  }),
  url: value({
    type: 'text',
    default: 'where it listens',
    takes: 'a text that is not empty',
    help: 'the URL that `nodes()` lists for this node',
  }),
  prefix: value({
    type: 'text',
    default: 'flotilla',
    takes: WORD,
    flag: 'cluster',
    help: 'the beginning of every key in the store; clusters with different prefixes never see each other',
  }),
  heartbeat: milliseconds({
    default: 3_000,
    min: 20,
    max: HOUR,
    flag: 'cluster',
    help: "time between two renewals of this node's lease",
  }),
  deadAfter: milliseconds({
    default: 10_000,
    min: 60,
    max: DAY,
    flag: 'cluster',
    help: 'a node that is silent for this long counts as dead; at least three heartbeats',
  }),
  pingInterval: milliseconds({
    default: 25_000,
    min: 0,
    max: HOUR,
    zero: 'no pings',
    flag: 'listen',
    help: 'time between two WebSocket pings to a client; two unanswered pings close the connection with 1006',
  }),
  consumers: count({
    default: 1,
    min: 1,
    max: 256,
    flag: 'cluster',
    help: 'no longer has any effect: an inbox entry that waits for one user does not delay the others',
  }),
  maxPayload: bytes({
    default: MIB,
    min: 1,
    max: GIB,
    flag: 'listen',
    help: 'most bytes of one message, uncompressed, received or pushed',
  }),
  compression: value({
    type: 'switch',
    default: 'off',
    takes: 'true, false or, in code and config files, { threshold: BYTES }',
    flag: 'listen',
    help: `compress messages of ${COMPRESSION_THRESHOLD} bytes or more for clients that offer it (permessage-deflate)`,
  }),
  maxPending: count({
    default: 100,
    min: 1,
    max: 1_000_000,
    help: 'how many messages of one connection may wait for its handlers before reading pauses',
  }),
  maxBuffered: bytes({
    default: MIB,
    min: 1,
    max: 4 * GIB,
    help: 'bytes that may wait for a client that reads too slowly; `overflow` says what happens beyond that',
  }),
  overflow: choice<Overflow>({
    choices: ['close', 'dropOldest', 'dropNewest', 'collapse'],
    default: 'close',
    help: 'beyond `maxBuffered`, `close` closes with 4408, `dropOldest` and `dropNewest` drop messages, `collapse` keeps only the newest of each `key`',
  }),
  maxConnectionsPerUid: count({
    default: 100,
    min: 1,
    max: 10_000,
    help: 'most connections of one user to this node; the next one gets 429',
  }),
  maxConnections: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    flag: 'listen',
    help: 'most connections to this node; the next one gets 503',
  }),
  maxConnectionsPerIp: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    flag: 'listen',
    help: 'most connections to this node from one client address, or one /64 network of IPv6; the next one gets 429',
  }),
  maxHandshakes: count({
    default: 10_000,
    min: 1,
    max: MILLIONS,
    help: 'most handshakes in progress at once, and most sockets that are not WebSockets; the next handshake gets 503, the next socket closes another',
  }),
  maxMessagesPerSecond: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    flag: 'listen',
    help: "messages that a client may send each second, five seconds' worth at once; a client that sends more is closed with 1008",
  }),
  maxMessagesPerSecondPerIp: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    help: 'messages that all clients of one address, or one /64 network of IPv6, may send together each second',
  }),
  maxGroupsPerConnection: count({
    default: 1_000,
    min: 1,
    max: 100_000,
    help: 'most groups of one connection; joining more fails with `FLT_TOO_MANY`',
  }),
  storeWait: milliseconds({
    default: 5_000,
    min: 10,
    max: HOUR,
    help: 'how long a push or a handshake waits for a store that is away',
  }),
  connectTimeout: milliseconds({
    default: 10_000,
    min: 0,
    max: HOUR,
    flag: 'cluster',
    help: 'how long the first contact with the store may take at start',
  }),
  maxInboxBytes: bytes({
    default: 64 * MIB,
    min: 1,
    max: 4 * GIB,
    help: "bytes that may wait in one node's inbox before pushes to the node fail with `FLT_INBOX_FULL`",
  }),
  maxLag: milliseconds({
    default: 0,
    min: 0,
    max: DAY,
    zero: 'no limit',
    takes: `a time in milliseconds, at least \`deadAfter\` and up to ${DAY}, or 0 for no limit`,
    flag: 'cluster',
    help: "how old a node's oldest waiting entry may be before pushes to the node fail with `FLT_INBOX_BEHIND`; at least `deadAfter`",
  }),
  maxWaitingBytes: bytes({
    default: 64 * MIB,
    min: 1024,
    max: 4 * GIB,
    help: 'bytes of pushes that may wait for the store; beyond that, pushes wait for room, then fail with `FLT_OVERLOADED`',
  }),
  handshakeTimeout: milliseconds({
    default: 10_000,
    min: 10,
    max: HOUR,
    help: 'how long a client may take from connecting to its 101, on servers that Flotilla made',
  }),
  requestTimeout: milliseconds({
    default: 30_000,
    min: 10,
    max: HOUR,
    help: 'how long an HTTP request may take to arrive, body and all, on servers that Flotilla made',
  }),
  keepAliveTimeout: milliseconds({
    default: 75_000,
    min: 10,
    max: HOUR,
    flag: 'listen',
    help: 'how long an HTTP connection stays open for its next request, on servers that Flotilla made; longer than the proxy in front keeps it',
  }),
  trustProxy: value({
    type: 'list',
    default: 'none',
    takes: 'addresses or ranges separated by commas, such as 127.0.0.1,10.0.0.0/8',
    flag: 'listen',
    help: 'addresses or ranges of the proxies whose X-Forwarded-For is trusted',
  }),
  codec: choice({
    choices: ['binary', 'json'],
    default: 'binary',
    help: 'how envelopes are encoded: `binary`, `json` for people to read, or, in code, your own; the same on every node',
  }),
  generateUid: code({ default: 'random', help: 'makes the uid of `register(connection)` if none is given' }),
  tls: code({ default: 'none', help: 'serves WSS on servers that Flotilla makes: `{ cert, key }` in PEM' }),
  http: code({ default: '404 or 426', help: 'answers plain HTTP requests on servers that Flotilla makes' }),
} as const satisfies { readonly [Name in keyof ServerOptions]-?: RowOf<Exclude<ServerOptions[Name], undefined>> }

type RowOf<Value> = Value extends number ? NumberOption : ChoiceOption | ValueOption | CodeOption
