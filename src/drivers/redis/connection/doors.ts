import { connect as connectPlain, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type Redis, type RedisOptions, SentinelConnector } from 'ioredis'
import type { Endpoint } from './address.ts'

export type Stream = Awaited<ReturnType<AbstractConnector['connect']>>
type Tell = Parameters<AbstractConnector['connect']>[0]
/** Gets each stream before ioredis listens to it. */
export type Prepare = (stream: Stream) => void
/** Opens a connection to a sentinel. */
export type OpenSentinel = (endpoint: Endpoint, options: RedisOptions) => Redis

/** Connects to one server. */
export class Door extends AbstractConnector {
  readonly #options: RedisOptions
  readonly #prepare: Prepare

  constructor(options: RedisOptions, prepare: Prepare) {
    super(options.disconnectTimeout ?? 0)
    this.#options = options
    this.#prepare = prepare
  }

  override async connect(): Promise<Stream> {
    const { host = '', port = 0, tls } = this.#options
    this.connecting = true
    const stream = await openedBy(this, async () =>
      tls === undefined ? connectPlain(port, host) : connectTls({ ...tls, host, port }),
    )
    this.stream = stream
    // `disconnect` was called before there was a stream.
    if (!this.connecting) stream.destroy()
    this.#prepare(stream)
    return stream
  }
}

/** The connector of ioredis opens all its connections to sentinels in one method. */
interface SentinelFinder extends AbstractConnector {
  connect(tell: Tell): Promise<Stream>
  connectToSentinel(endpoint: Endpoint, options?: RedisOptions): unknown
}
const Finder = SentinelConnector as unknown as (new (options: RedisOptions) => SentinelFinder) & {
  prototype: SentinelFinder
}

/** Connects to the master that the sentinels name. */
export class SentinelDoor extends Finder {
  readonly #prepare: Prepare
  readonly #open: OpenSentinel

  constructor(options: RedisOptions, prepare: Prepare, open: OpenSentinel) {
    super(options)
    this.#prepare = prepare
    this.#open = open
  }

  override async connect(tell: Tell): Promise<Stream> {
    const stream = await openedBy(this, () => super.connect(tell))
    this.#prepare(stream)
    return stream
  }

  override connectToSentinel(endpoint: Endpoint, options: RedisOptions = {}): unknown {
    return this.#open(endpoint, options)
  }
}

/**
 * If a connector rejects, ioredis never tries again. If the connector returns a stream that has ended already, it does.
 */
async function openedBy(door: AbstractConnector, open: () => Promise<Stream>): Promise<Stream> {
  try {
    const stream = await open()
    stream.once('error', (error: Error) => {
      door.firstError = error
    })
    // ioredis listens for one error alone, but a TLS socket may emit a second one: its peer's alert, after it has
    // itself refused the certificate of its peer.
    stream.on('error', () => {})
    return stream
  } catch (error) {
    door.firstError = error as Error
    return new Socket().destroy()
  }
}
