import type { RequestListener } from 'node:http'
import type { Driver } from './drivers/driver.ts'
import type { Logger } from './logger.ts'
import type { Middlewares, ModuleClass, ModuleDefinition } from './modules/module.ts'
import type { Codec } from './protocol/envelope.ts'
import type { Connection } from './sockets/connection.ts'

/** Where an error happened. */
export type ErrorPhase = 'handshake' | 'open' | 'message' | 'close' | 'push' | 'consume'

export interface ErrorReport {
  readonly phase: ErrorPhase
  readonly error: unknown
  readonly connection?: Connection
}

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
  /** Lanes in which the inbox is worked off; a user's messages keep to one. Default 1. */
  consumers?: number
  /** Bytes of one message, from a client or pushed. Default 1048576. */
  maxPayload?: number
  /** Messages of one connection that wait for its handlers before reading pauses. Default 100. */
  maxPending?: number
  /** Connections of one user on this node; the next one is refused with 429. Default 100. */
  maxConnectionsPerUid?: number
  /** How long a push or a handshake waits for a store that is away. Default 5000. */
  storeWait?: number
  /** How long the first contact with the store may take. Default 10000. */
  connectTimeout?: number
  /** Bytes that wait in one node's inbox before pushes to it fail with `FLT_INBOX_FULL`. Default 67108864. */
  maxInboxBytes?: number
  /** How long a client may take from connecting to its 101, on servers that Flotilla made. Default 10000. */
  handshakeTimeout?: number
  /** Addresses (or CIDR ranges) of proxies whose `X-Forwarded-For` counts. */
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
