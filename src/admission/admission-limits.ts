import { FlotillaError } from '../errors.ts'
import { networkOf } from '../lib/addresses.ts'
import { TokenBucket } from '../lib/token-bucket.ts'

export interface AdmissionSettings {
  /** Handshakes under way at once. */
  readonly maxHandshakes: number
  /** 0 for no limit, as of all that follow. */
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly maxMessagesPerSecond: number
  readonly maxMessagesPerSecondPerIp: number
}

/** The clients of one network. */
export interface ClientNetwork {
  /** Empty for clients of a Unix socket, which have no address. */
  readonly network: string
  handshakeCount: number
  connectionCount: number
  readonly bucket: TokenBucket | undefined
}

/**
 * Counts handshakes and connections, on the node and from each network. A client takes a connection's place only once its
 * handshake has let it in, so that strangers never hold one.
 */
export class AdmissionLimits {
  /** Clients that were turned away for one of these limits. */
  refusedCount = 0
  /** Whether `enter` counts anything; otherwise `leave` need not be called. */
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

  /** Counts a handshake until `endHandshake`, or says why there is no room for it or for its connection. */
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

  /** Takes a connection's place until `leave`, or says why there is none left. */
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

  /** What a connection's messages are counted against; nothing where they are not. */
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

  /** A network may have at most as many handshakes under way as are still free, so it always leaves room for others. */
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
    // Who comes back at once does not begin with a full bucket.
    else setTimeout(() => this.#forgetIfGone(client), missing).unref()
  }
}

const FULL = new FlotillaError('FLT_OVERLOADED', 'this node has as many connections as it takes: try again later')
const TOO_MANY_CONNECTIONS = new FlotillaError(
  'FLT_TOO_MANY',
  'your address has as many connections to this node as it may have: close one first',
)
const BUSY = new FlotillaError('FLT_OVERLOADED', 'this node has too many handshakes under way: try again later')
const TOO_MANY_HANDSHAKES = new FlotillaError(
  'FLT_TOO_MANY',
  'your address has too many handshakes with this node under way: try again later',
)
