import type { RequestListener } from 'node:http'
import type { ErrorReport, Overflow } from './api.ts'
import type { Driver } from './drivers/driver.ts'
import type { Codec } from './envelope/envelope.ts'
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

/** What `createServer` takes. Times in ms, sizes in bytes. */
export interface ServerOptions {
  /** Classes with `@WsModule`, instances of them, or what `defineModule` returned. */
  modules: (ModuleDefinition | object | ModuleClass)[]
  /** State and Queue; `memory()` if none is given: one process, nothing kept. */
  driver?: Driver
  /** Runs around every module's own middleware. */
  middleware?: Middlewares
  /** Makes instances of module and controller classes, for dependency injection; `new` if it is not given. */
  resolve?(type: new (...a: never[]) => object): object
  /** Silent if none is given. */
  logger?: Logger | false
  /** Told of every error that no caller could be told of. A push that fails also rejects. */
  onError?(report: ErrorReport): void
  /** The node's name, letters, digits, `_`, `.` and `-`; random if not given. Ids differ even if names do not. */
  name?: string
  /** The URL that `nodes()` tells of this node; where it listens, if not given. */
  url?: string
  /** In front of every key: two prefixes never see each other. Default `flotilla`. */
  prefix?: string
  /** Between two renewals of this node's lease. Default 3000 ms. */
  heartbeat?: number
  /** A node that was silent for so long is dead. At least three heartbeats; default 10000 ms. */
  deadAfter?: number
  /** Between two WebSocket pings to a client; two unanswered close with 1006. Default 25000 ms; 0 never pings. */
  pingInterval?: number
  /** Has no effect any more: what waits for one user in the inbox holds nobody else up. Default 1. */
  consumers?: number
  /** Bytes of one message, from a client or pushed, not compressed. Default 1048576 (1 MiB). */
  maxPayload?: number
  /**
   * permessage-deflate (RFC 7692) for clients that offer it, as browsers do; off if not given. It pays if JSON or
   * text of a kilobyte and more goes to many, or over slow lines: each node compresses a message once, however many get
   * it, in about 10 µs for a kilobyte and 7 ms for a megabyte, in which it does nothing else. It keeps no context from
   * one message to the next, so an idle connection costs no more memory. Do not put a secret into the same message as
   * text that somebody else can choose: its length tells of the secret (BREACH).
   */
  compression?: boolean | CompressionOptions
  /** Messages of one connection that wait for its handlers before reading pauses. Default 100. */
  maxPending?: number
  /**
   * Bytes that may wait for a client that reads too slowly; beyond them `overflow` says what happens.
   * Default 1048576 (1 MiB).
   */
  maxBuffered?: number
  /**
   * Beyond `maxBuffered`, `close` (default) closes the connection with 4408; `dropOldest` and `dropNewest` leave messages
   * out; `collapse` keeps only the newest of those that were pushed with the same `key`, and closes if that is not
   * enough.
   */
  overflow?: Overflow
  /** Connections of one user on this node; the next one is refused with 429. Default 100. */
  maxConnectionsPerUid?: number
  /** Connections to this node; the next one is refused with 503. Default 0: as many as fit. */
  maxConnections?: number
  /**
   * Connections to this node from one client address, or one /64 network of IPv6; the next one is refused with 429.
   * Behind a proxy it takes `trustProxy`. Many users may share an address. Default 0: no limit.
   */
  maxConnectionsPerIp?: number
  /**
   * Handshakes under way at once; the next one is refused with 503. Also the sockets that are no WebSockets, on servers
   * that Flotilla makes: those that have yet to send a request, and HTTP connections, which are kept alive. Beyond it
   * the one is closed that has been waited for longest, for a request or the rest of one. Of both, one client address or
   * /64 network of IPv6 gets at most as many as are still free, so half of them if it is the only one; its next handshake
   * is refused with 429. The sockets of a trusted proxy count only towards the total. Default 10000.
   */
  maxHandshakes?: number
  /**
   * Messages that a client may send each second, for as long as it likes; five seconds' worth may come at once. One that
   * sends more is closed with 1008. Default 0: no limit.
   */
  maxMessagesPerSecond?: number
  /** The same for all clients of one address, or one /64 network of IPv6, together. Default 0: no limit. */
  maxMessagesPerSecondPerIp?: number
  /** Groups of one connection; joining more fails with `FLT_TOO_MANY`. Default 1000. */
  maxGroupsPerConnection?: number
  /** How long a push or a handshake waits for a store that is away. Default 5000 ms. */
  storeWait?: number
  /** How long the first contact with the store may take. Default 10000 ms. */
  connectTimeout?: number
  /** Bytes that wait in one node's inbox before pushes to it fail with `FLT_INBOX_FULL`. Default 67108864 (64 MiB). */
  maxInboxBytes?: number
  /**
   * How old the oldest entry of a node's inbox, or of the broadcasts that a node has not read, may be, by the store's clock,
   * before pushes to it fail with `FLT_INBOX_BEHIND`. At least `deadAfter`, for a dead node reads nothing until it is
   * taken over; better two heartbeats more. Default 0 ms: no bound but `maxInboxBytes`.
   */
  maxLag?: number
  /**
   * Bytes of pushes that wait for the store at once. Beyond them pushes wait for room, as many bytes again, for at most
   * `storeWait`; then they fail with `FLT_OVERLOADED`. Default 67108864 (64 MiB).
   */
  maxWaitingBytes?: number
  /** How long a client may take from connecting to its 101, on servers that Flotilla made. Default 10000 ms. */
  handshakeTimeout?: number
  /** How long an HTTP request may take to arrive, body and all, on servers that Flotilla made. Default 30000 ms. */
  requestTimeout?: number
  /**
   * Addresses (or CIDR ranges) of proxies whose `X-Forwarded-For` counts, with ports or without. A client whose address
   * they leave out, or hide, counts as the proxy.
   */
  trustProxy?: readonly string[]
  /** How envelopes are written: `binary` (default), `json` to read along, or your own; the same on every node. */
  codec?: 'binary' | 'json' | Codec
  /** Makes the uid of `cluster.register(connection)` without one. */
  generateUid?(): string
  /** WSS, for servers that Flotilla makes: PEM texts. */
  tls?: { cert: string | Buffer; key: string | Buffer }
  /** Answers plain HTTP requests on servers that Flotilla makes; 404 or 426 if not given. */
  http?: RequestListener
}

export interface CompressionOptions {
  /** Bytes of a message from which on it is compressed. Default 1024. */
  threshold?: number
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MIB = 2 ** 20
const GIB = 2 ** 30
const MILLIONS = 10_000_000

const WORD = `1 to 64 letters, digits, '_', '.' or '-'`

/** From so many bytes on a message is compressed, if nothing else is said. */
export const COMPRESSION_THRESHOLD = 1024

/**
 * Every option of `createServer`, as data: what it takes, its default, its bounds and what it is, enough to make a
 * command line or a settings page of your own. `createServer`'s check, the flags and the help of `flotilla start`, its
 * config file and the table in docs/library.md all come from here.
 */
export const optionTable = {
  modules: code({ default: 'required', help: 'classes, instances and definitions' }),
  driver: code({
    default: '`memory()`',
    help: 'State and Queue: `redis({ url })` from `flotilla/redis`; `{ state: a.state, queue: b.queue }` mixes two',
  }),
  middleware: code({ default: 'none', help: "runs around every module's own" }),
  resolve: code({
    default: '`new`',
    help: 'makes instances of module and controller classes, for dependency injection',
  }),
  logger: code({ default: 'silent', help: "shaped like pino's" }),
  onError: code({ default: 'none', help: 'hears of every error that no caller could be told of' }),
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
    help: 'the URL that `nodes()` tells of this node',
  }),
  prefix: value({
    type: 'text',
    default: 'flotilla',
    takes: WORD,
    flag: 'cluster',
    help: 'in front of every key: two prefixes never see each other',
  }),
  heartbeat: milliseconds({
    default: 3_000,
    min: 20,
    max: HOUR,
    flag: 'cluster',
    help: "between two renewals of this node's lease",
  }),
  deadAfter: milliseconds({
    default: 10_000,
    min: 60,
    max: DAY,
    flag: 'cluster',
    help: 'a node that is silent for so long is dead; at least three heartbeats',
  }),
  pingInterval: milliseconds({
    default: 25_000,
    min: 0,
    max: HOUR,
    zero: 'none',
    flag: 'listen',
    help: 'between two WebSocket pings to a client; two unanswered close with 1006',
  }),
  consumers: count({
    default: 1,
    min: 1,
    max: 256,
    flag: 'cluster',
    help: 'has no effect any more: what waits for one user in the inbox holds nobody else up',
  }),
  maxPayload: bytes({
    default: MIB,
    min: 1,
    max: GIB,
    flag: 'listen',
    help: 'the most bytes of one message, received or pushed, not compressed',
  }),
  compression: value({
    type: 'switch',
    default: 'off',
    takes: 'true, false or, in code and config files, { threshold: BYTES }',
    flag: 'listen',
    help: `compress messages of ${COMPRESSION_THRESHOLD} bytes and more for clients that offer it (permessage-deflate)`,
  }),
  maxPending: count({
    default: 100,
    min: 1,
    max: 1_000_000,
    help: 'messages of one connection that wait for its handlers before reading pauses',
  }),
  maxBuffered: bytes({
    default: MIB,
    min: 1,
    max: 4 * GIB,
    help: 'bytes that may wait for a client that reads too slowly; beyond them `overflow` says what happens',
  }),
  overflow: choice<Overflow>({
    choices: ['close', 'dropOldest', 'dropNewest', 'collapse'],
    default: 'close',
    help: 'beyond `maxBuffered`: `close` with 4408; `dropOldest` and `dropNewest` leave messages out; `collapse` keeps only the newest of each `key`',
  }),
  maxConnectionsPerUid: count({
    default: 100,
    min: 1,
    max: 10_000,
    help: 'connections of one user to this node; the next one gets 429',
  }),
  maxConnections: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'as many as fit',
    flag: 'listen',
    help: 'connections to this node; the next one gets 503',
  }),
  maxConnectionsPerIp: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    flag: 'listen',
    help: 'connections to this node from one client address, or /64 network of IPv6; the next one gets 429',
  }),
  maxHandshakes: count({
    default: 10_000,
    min: 1,
    max: MILLIONS,
    help: 'handshakes under way at once, and as many sockets that are no WebSockets; the next handshake gets 503, beyond so many sockets one closes',
  }),
  maxMessagesPerSecond: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    flag: 'listen',
    help: "messages that a client may send each second, five seconds' worth at once; one that sends more is closed with 1008",
  }),
  maxMessagesPerSecondPerIp: count({
    default: 0,
    min: 0,
    max: MILLIONS,
    zero: 'no limit',
    help: 'messages that all clients of one address, or /64 network of IPv6, may send each second together',
  }),
  maxGroupsPerConnection: count({
    default: 1_000,
    min: 1,
    max: 100_000,
    help: 'groups of one connection; joining more fails with `FLT_TOO_MANY`',
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
    help: 'how long the first contact with the store may take, at start',
  }),
  maxInboxBytes: bytes({
    default: 64 * MIB,
    min: 1,
    max: 4 * GIB,
    help: "bytes that wait in one node's inbox before pushes to it fail with `FLT_INBOX_FULL`",
  }),
  maxLag: milliseconds({
    default: 0,
    min: 0,
    max: DAY,
    zero: 'no bound',
    takes: `a time in milliseconds, at least \`deadAfter\` and up to ${DAY}, or 0 for no bound`,
    flag: 'cluster',
    help: "how far behind a node's inbox may be before pushes to it fail with `FLT_INBOX_BEHIND`; at least `deadAfter`",
  }),
  maxWaitingBytes: bytes({
    default: 64 * MIB,
    min: 1024,
    max: 4 * GIB,
    help: 'bytes of pushes that wait for the store; beyond them pushes wait for room, then fail with `FLT_OVERLOADED`',
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
  trustProxy: value({
    type: 'list',
    default: 'none',
    takes: 'addresses or ranges with commas, such as 127.0.0.1,10.0.0.0/8',
    flag: 'listen',
    help: 'addresses or ranges of proxies whose X-Forwarded-For counts',
  }),
  codec: choice({
    choices: ['binary', 'json'],
    default: 'binary',
    help: 'how envelopes are written: `json` to read along, or, in code, your own; the same on every node',
  }),
  generateUid: code({ default: 'random', help: 'makes the uid of `register(connection)` if none is given' }),
  tls: code({ default: 'none', help: 'WSS, for servers that Flotilla makes: `{ cert, key }`, PEM texts' }),
  http: code({ default: '404 or 426', help: 'answers plain HTTP requests on servers that Flotilla makes' }),
} as const satisfies { readonly [Name in keyof ServerOptions]-?: RowOf<Required<ServerOptions>[Name]> }

type RowOf<Value> = Value extends number ? NumberOption : ChoiceOption | ValueOption | CodeOption
