import { randomBytes, randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { ErrorReport, Overflow } from './api.ts'
import type { Driver } from './drivers/driver.ts'
import { memory } from './drivers/memory/memory.ts'
import { binaryCodec } from './envelope/binary-codec.ts'
import type { Codec } from './envelope/envelope.ts'
import { jsonCodec } from './envelope/json-codec.ts'
import { FlotillaError, isFlotillaError } from './errors.ts'
import { checkNames } from './lib/checked-names.ts'
import { shown } from './lib/shown.ts'
import { type Logger, silent } from './logger.ts'
import type { Middlewares, ModuleClass, ModuleDefinition } from './modules/module.ts'

/** What `createServer` takes. Times in ms, sizes in bytes. */
export interface ServerOptions {
  /** Classes with `@WsModule`, instances of them, or what `defineModule` returned. */
  modules: (ModuleDefinition | object | ModuleClass)[]
  /** State and Queue; `memory()` where not given: one process, nothing kept. */
  driver?: Driver
  /** Runs around every module's own middleware. */
  middleware?: Middlewares
  /** Makes instances of module and controller classes, for dependency injection; `new` where not given. */
  resolve?(type: new (...a: never[]) => object): object
  /** Silent where not given. */
  logger?: Logger | false
  /** Told of every error that no caller could be told of. A push that fails also rejects. */
  onError?(report: ErrorReport): void
  /** The node's name, letters, digits, `_`, `.` and `-`; random where not given. Ids differ even where names do not. */
  name?: string
  /** The URL that `nodes()` tells of this node; where it listens, if not given. */
  url?: string
  /** In front of every key: two prefixes never see each other. Default `flotilla`. */
  prefix?: string
  /** Between two renewals of this node's lease. Default 3000. */
  heartbeat?: number
  /** A node that was silent for so long is dead. At least three heartbeats; default 10000. */
  deadAfter?: number
  /** Between two WebSocket pings to a client; two unanswered close with 1006. Default 25000; 0 never pings. */
  pingInterval?: number
  /** Has no effect any more: what waits for one user in the inbox holds nobody else up. Default 1. */
  consumers?: number
  /** Bytes of one message, from a client or pushed, not compressed. Default 1048576. */
  maxPayload?: number
  /**
   * permessage-deflate (RFC 7692) for clients that offer it, as browsers do; off where not given. It pays where JSON or
   * text of a kilobyte and more goes to many, or over slow lines: each node compresses a message once, however many get
   * it, in about 10 µs for a kilobyte and 7 ms for a megabyte, in which it does nothing else. It keeps no context from
   * one message to the next, so an idle connection costs no more memory. Do not put a secret into the same message as
   * text that somebody else can choose: its length tells of the secret (BREACH).
   */
  compression?: boolean | CompressionOptions
  /** Messages of one connection that wait for its handlers before reading pauses. Default 100. */
  maxPending?: number
  /** Bytes that may wait for a client that reads too slowly; beyond them `overflow` says what happens. Default 1048576. */
  maxBuffered?: number
  /**
   * Beyond `maxBuffered`, `close` (default) closes the connection with 4408; `dropOldest` and `dropNewest` leave messages
   * out; `collapse` keeps only the newest of those that were pushed with the same `key`, and closes where that is not
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
  /** How long a push or a handshake waits for a store that is away. Default 5000. */
  storeWait?: number
  /** How long the first contact with the store may take. Default 10000. */
  connectTimeout?: number
  /** Bytes that wait in one node's inbox before pushes to it fail with `FLT_INBOX_FULL`. Default 67108864. */
  maxInboxBytes?: number
  /**
   * How old the oldest entry of a node's inbox, or of the broadcasts that a node has not read, may be, by the store's clock,
   * before pushes to it fail with `FLT_INBOX_BEHIND`. At least `deadAfter`, for a dead node reads nothing until it is
   * taken over; better two heartbeats more. Default 0: no bound but `maxInboxBytes`.
   */
  maxLag?: number
  /**
   * Bytes of pushes that wait for the store at once. Beyond them pushes wait for room, as many bytes again, for at most
   * `storeWait`; then they fail with `FLT_OVERLOADED`. Default 67108864.
   */
  maxWaitingBytes?: number
  /** How long a client may take from connecting to its 101, on servers that Flotilla made. Default 10000. */
  handshakeTimeout?: number
  /** How long an HTTP request may take to arrive, body and all, on servers that Flotilla made. Default 30000. */
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
  /** Answers plain HTTP requests on servers that Flotilla makes; 404 or 426 where not given. */
  http?: RequestListener
}

export interface CompressionOptions {
  /** Bytes of a message from which on it is compressed. Default 1024. */
  threshold?: number
}

/** What every option comes to: given, or its default. */
export interface Settings {
  readonly driver: Driver
  readonly logger: Logger
  readonly onError: (report: ErrorReport) => void
  readonly name: string
  readonly url: string | undefined
  readonly prefix: string
  readonly heartbeat: number
  readonly deadAfter: number
  readonly pingInterval: number
  readonly consumers: number
  readonly maxPayload: number
  readonly compression: { readonly threshold: number } | undefined
  readonly maxPending: number
  readonly maxBuffered: number
  readonly overflow: Overflow
  readonly maxConnectionsPerUid: number
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly maxHandshakes: number
  readonly maxMessagesPerSecond: number
  readonly maxMessagesPerSecondPerIp: number
  readonly maxGroupsPerConnection: number
  readonly storeWait: number
  readonly connectTimeout: number
  readonly maxInboxBytes: number
  readonly maxLag: number
  readonly maxWaitingBytes: number
  readonly handshakeTimeout: number
  readonly requestTimeout: number
  readonly trustProxy: readonly string[]
  readonly codec: Codec
  readonly generateUid: () => string
}

interface Limits {
  readonly default: number
  readonly min: number
  readonly max: number
}

const HOUR = 3_600_000
const GIB = 2 ** 30
const MILLIONS = 10_000_000

const numbers = {
  heartbeat: { default: 3_000, min: 20, max: HOUR },
  deadAfter: { default: 10_000, min: 60, max: 24 * HOUR },
  pingInterval: { default: 25_000, min: 0, max: HOUR },
  consumers: { default: 1, min: 1, max: 256 },
  maxPayload: { default: 2 ** 20, min: 1, max: GIB },
  maxPending: { default: 100, min: 1, max: 1_000_000 },
  maxBuffered: { default: 2 ** 20, min: 1, max: 4 * GIB },
  maxConnectionsPerUid: { default: 100, min: 1, max: 10_000 },
  maxConnections: { default: 0, min: 0, max: MILLIONS },
  maxConnectionsPerIp: { default: 0, min: 0, max: MILLIONS },
  maxHandshakes: { default: 10_000, min: 1, max: MILLIONS },
  maxMessagesPerSecond: { default: 0, min: 0, max: MILLIONS },
  maxMessagesPerSecondPerIp: { default: 0, min: 0, max: MILLIONS },
  maxGroupsPerConnection: { default: 1_000, min: 1, max: 100_000 },
  storeWait: { default: 5_000, min: 10, max: HOUR },
  connectTimeout: { default: 10_000, min: 0, max: HOUR },
  maxInboxBytes: { default: 64 * 2 ** 20, min: 1, max: 4 * GIB },
  maxLag: { default: 0, min: 0, max: 24 * HOUR },
  maxWaitingBytes: { default: 64 * 2 ** 20, min: 1024, max: 4 * GIB },
  handshakeTimeout: { default: 10_000, min: 10, max: HOUR },
  requestTimeout: { default: 30_000, min: 10, max: HOUR },
} as const satisfies Record<string, Limits>

type NumberName = keyof typeof numbers

/** @throws FlotillaError `FLT_BAD_OPTION`, naming the option and what it takes */
export function parseOptions(options: ServerOptions): Settings {
  checkNames('createServer', options, [...OTHER_NAMES.split(' '), ...Object.keys(numbers)])
  const settings = {
    ...parseNumbers(options),
    driver: parseDriver(options.driver),
    logger: options.logger === undefined || options.logger === false ? silent : options.logger,
    name: parseWord('name', options.name ?? randomBytes(3).toString('hex')),
    prefix: parseWord('prefix', options.prefix ?? 'flotilla'),
    url: options.url,
    compression: parseCompression(options.compression),
    trustProxy: listOf('trustProxy', options.trustProxy),
    overflow: overflowOf(options.overflow),
    codec: codecOf(options.codec),
    generateUid: options.generateUid ?? randomUUID,
  }
  if (settings.deadAfter < 3 * settings.heartbeat) {
    throw badOption('deadAfter', `must be at least three heartbeats, which are ${3 * settings.heartbeat} ms`)
  }
  if (settings.maxLag !== 0 && settings.maxLag < settings.deadAfter) {
    throw badOption('maxLag', `must be 0, for no bound, or at least deadAfter, which is ${settings.deadAfter} ms`)
  }
  return { ...settings, onError: guarded(options.onError, settings.logger) }
}

const OTHER_NAMES =
  'modules driver middleware resolve logger onError name url prefix compression overflow trustProxy codec generateUid tls http'

function parseNumbers(options: ServerOptions): Record<NumberName, number> {
  const names = Object.keys(numbers) as NumberName[]
  return Object.fromEntries(names.map((name) => [name, parseNumber(name, options[name])])) as Record<NumberName, number>
}

function parseNumber(name: NumberName, value: unknown): number {
  const limits = numbers[name]
  if (value === undefined) return limits.default
  if (typeof value === 'number' && Number.isInteger(value) && value >= limits.min && value <= limits.max) return value
  throw badOption(name, `is ${shown(value)}: give a whole number from ${limits.min} to ${limits.max}`)
}

/** Names and prefixes become part of keys and ids, which have separators of their own. */
function parseWord(option: 'name' | 'prefix', value: unknown): string {
  if (typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)) return value
  throw badOption(option, `is ${shown(value)}: give 1 to 64 letters, digits, '_', '.' or '-'`)
}

function parseDriver(driver: unknown = memory()): Driver {
  const { state, queue } = (driver ?? {}) as Partial<Driver>
  if (typeof state === 'function' && typeof queue === 'function') return driver as Driver
  throw badOption('driver', 'has no state() and queue(): give what memory() or redis({ url }) returns')
}

/** What stands in it, whoever uses it looks at. */
function listOf<T>(option: string, value: readonly T[] = []): readonly T[] {
  if (Array.isArray(value)) return value
  throw badOption(option, `is ${shown(value)}: give a list`)
}

const OVERFLOWS: readonly unknown[] = ['close', 'dropOldest', 'dropNewest', 'collapse'] satisfies Overflow[]

function overflowOf(overflow: unknown = 'close'): Overflow {
  if (OVERFLOWS.includes(overflow)) return overflow as Overflow
  throw badOption('overflow', `is ${shown(overflow)}: give one of ${OVERFLOWS.join(', ')}`)
}

const MIN_COMPRESSED = 1024

function parseCompression(compression: unknown = false): Settings['compression'] {
  if (compression === false) return undefined
  if (compression === true) return { threshold: MIN_COMPRESSED }
  if (isCompression(compression)) return { threshold: compression.threshold ?? MIN_COMPRESSED }
  throw badOption('compression', `is ${shown(compression)}: give true, false or { threshold: BYTES }`)
}

function isCompression(value: unknown): value is CompressionOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { threshold = 0, ...others } = value as CompressionOptions
  return Number.isInteger(threshold) && threshold >= 0 && Object.keys(others).length === 0
}

function codecOf(codec: ServerOptions['codec'] = 'binary'): Codec {
  if (codec === 'binary') return binaryCodec
  if (codec === 'json') return jsonCodec
  if (
    typeof codec === 'object' &&
    codec !== null &&
    typeof codec.encode === 'function' &&
    typeof codec.decode === 'function'
  )
    return codec
  throw badOption('codec', "must be 'binary', 'json' or an object with encode and decode")
}

/** An `onError` that throws must not do harm where nobody can be told any more. */
function guarded(onError: ServerOptions['onError'], logger: Logger): (report: ErrorReport) => void {
  return (report) => {
    const { phase, error, connection } = report
    const isCallers = isFlotillaError(error) && error.status < 500
    logger[isCallers ? 'debug' : 'warn']({ phase, error, connection: connection?.id }, `an error in the phase ${phase}`)
    try {
      onError?.(report)
    } catch (failure) {
      logger.error({ error: failure }, 'onError itself has failed')
    }
  }
}

function badOption(name: string, what: string): FlotillaError {
  return new FlotillaError('FLT_BAD_OPTION', `${name} ${what}`)
}
