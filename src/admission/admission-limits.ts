import { FlotillaError } from '../errors.ts'
import { networkOf } from '../lib/addresses.ts'
import { TokenBucket } from '../lib/token-bucket.ts'

export interface AdmissionSettings {
  /** Handshakes in progress at once. */
  readonly maxHandshakes: number
  /** 0 means no limit, here and in the settings below. */
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly maxMessagesPerSecond: number
  readonly maxMessagesPerSecondPerIp: number
}

/** The counts for the clients of one network: one address, or one /64 network of IPv6. */
export interface ClientNetwork {
  /** Empty for clients of a Unix socket, which have no address. */
  readonly network: string
  handshakeCount: number
  connectionCount: number
  readonly bucket: TokenBucket | undefined
}

/**
 * Counts handshakes and connections, on the whole node and for each network. A client counts as a connection only once
 * its handshake has admitted it, so clients that are refused never take a connection's place.
 */
export class AdmissionLimits {
  /** Clients that were refused because of one of these limits. */
  refusedCount = 0
  /** Whether `enter` counts anything. If it does not, `leave` need not be called. */
  readonly countsConnections: boolean
  readonly #limits: AdmissionSettings
  readonly #networks = new Map<string, ClientNetwork>()
  #handshakeCount = 0
  #connectionCount = 0

  constructor(limits: AdmissionSettings) {
    this.#limits = limits
    const { maxConnections, maxConnectionsPerIp, maxMessagesPerSecondPerIp } = limits
    this.countsConnections = maxConnections > 0 || maxConnectionsPerIp > 0 || maxMessagesPerSecondPerIp > 0
  }

  /**
   * Counts a handshake until `endHandshake`. Returns an error if there is no room for it, or none for its connection.
   */
  beginHandshake(ip: string): ClientNetwork | FlotillaError {
    const network = ip === '' ? '' : networkOf(ip)
    const client = this.#networks.get(network) ?? this.#newNetwork(network)
    const flaw = this.#handshakeFlawOf(client) ?? this.#connectionFlawOf(client)
    if (flaw !== undefined) return this.#refuse(flaw)
    this.#networks.set(network, client)
    this.#handshakeCount++
    client.handshakeCount++
    return client
  }

  endHandshake(client: ClientNetwork): void {
    this.#handshakeCount--
    client.handshakeCount--
    this.#forgetIfGone(client)
  }

  /** Counts a connection until `leave`. Returns an error if there is no room for it. */
  enter(client: ClientNetwork): FlotillaError | undefined {
    if (!this.countsConnections) return undefined
    const flaw = this.#connectionFlawOf(client)
    if (flaw !== undefined) return this.#refuse(flaw)
    this.#connectionCount++
    client.connectionCount++
    return undefined
  }

  leave(client: ClientNetwork): void {
    if (!this.countsConnections) return
    this.#connectionCount--
    client.connectionCount--
    this.#forgetIfGone(client)
  }

  /** The buckets that a connection's messages are counted against; undefined if its messages are not limited. */
  bucketsOf(ip: string): readonly TokenBucket[] | undefined {
    const { maxMessagesPerSecond: rate, maxMessagesPerSecondPerIp: sharedRate } = this.#limits
    const shared = sharedRate === 0 ? undefined : this.#networks.get(networkOf(ip))?.bucket
    if (rate === 0) return shared === undefined ? undefined : [shared]
    return shared === undefined ? [new TokenBucket(rate)] : [new TokenBucket(rate), shared]
  }

  #newNetwork(network: string): ClientNetwork {
    const { maxMessagesPerSecondPerIp: rate } = this.#limits
    const bucket = rate === 0 || network === '' ? undefined : new TokenBucket(rate)
    return { network, handshakeCount: 0, connectionCount: 0, bucket }
  }

  #refuse(flaw: FlotillaError): FlotillaError {
    this.refusedCount++
    return flaw
  }

  /**
   * A network may have at most as many handshakes in progress as there are places left, so it always leaves room for
   * other networks.
   */
  #handshakeFlawOf({ network, handshakeCount }: ClientNetwork): FlotillaError | undefined {
    const room = this.#limits.maxHandshakes - this.#handshakeCount
    if (room <= 0) return BUSY
    return network !== '' && handshakeCount >= room ? TOO_MANY_HANDSHAKES : undefined
  }

  #connectionFlawOf({ network, connectionCount }: ClientNetwork): FlotillaError | undefined {
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    if (maxConnections > 0 && this.#connectionCount >= maxConnections) return FULL
    if (maxConnectionsPerIp === 0 || network === '') return undefined
    return connectionCount >= maxConnectionsPerIp ? TOO_MANY_CONNECTIONS : undefined
  }

  #forgetIfGone(client: ClientNetwork): void {
    const { network, handshakeCount, connectionCount } = client
    if (handshakeCount > 0 || connectionCount > 0 || this.#networks.get(network) !== client) return
    const missing = client.bucket?.missing ?? 0
    if (missing === 0) this.#networks.delete(network)
    // A client that reconnects at once must not start with a full bucket.
    else setTimeout(() => this.#forgetIfGone(client), missing).unref()
  }
}

const FULL = new FlotillaError(
  'FLT_OVERLOADED',
  'this node has reached its maximum number of connections: try again later',
)
const TOO_MANY_CONNECTIONS = new FlotillaError(
  'FLT_TOO_MANY',
  'your address has reached its maximum number of connections to this node: close one first',
)
const BUSY = new FlotillaError('FLT_OVERLOADED', 'this node has too many handshakes in progress: try again later')
const TOO_MANY_HANDSHAKES = new FlotillaError(
  'FLT_TOO_MANY',
  'your address has too many handshakes in progress on this node: try again later',
)
