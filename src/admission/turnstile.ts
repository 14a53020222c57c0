import { FlotillaError } from '../errors.ts'
import { networkOf } from '../lib/addresses.ts'
import { TokenBucket } from '../lib/token-bucket.ts'

export interface TurnstileLimits {
  /** Handshakes under way at once. */
  readonly maxHandshakes: number
  /** 0 for no limit, as of all that follow. */
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly maxMessagesPerSecond: number
  readonly maxMessagesPerSecondPerIp: number
}

/** The clients of one network. */
export interface Visitor {
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
export class Turnstile {
  /** Clients that were turned away for one of these limits. */
  refusedCount = 0
  /** Whether `enter` counts anything; otherwise `leave` need not be called. */
  readonly countsConnections: boolean
  readonly #limits: TurnstileLimits
  readonly #visitors = new Map<string, Visitor>()
  #handshakeCount = 0
  #connectionCount = 0

  constructor(limits: TurnstileLimits) {
    this.#limits = limits
    const { maxConnections, maxConnectionsPerIp, maxMessagesPerSecondPerIp } = limits
    this.countsConnections = maxConnections > 0 || maxConnectionsPerIp > 0 || maxMessagesPerSecondPerIp > 0
  }

  /** Counts a handshake until `endHandshake`, or says why there is no room for it or for its connection. */
  beginHandshake(ip: string): Visitor | FlotillaError {
    const network = ip === '' ? '' : networkOf(ip)
    const visitor = this.#visitors.get(network) ?? this.#newVisitor(network)
    const flaw = this.#handshakeFlawOf(visitor) ?? this.#connectionFlawOf(visitor)
    if (flaw !== undefined) return this.#refuse(flaw)
    this.#visitors.set(network, visitor)
    this.#handshakeCount++
    visitor.handshakeCount++
    return visitor
  }

  endHandshake(visitor: Visitor): void {
    this.#handshakeCount--
    visitor.handshakeCount--
    this.#forgetIfGone(visitor)
  }

  /** Takes a connection's place until `leave`, or says why there is none left. */
  enter(visitor: Visitor): FlotillaError | undefined {
    if (!this.countsConnections) return undefined
    const flaw = this.#connectionFlawOf(visitor)
    if (flaw !== undefined) return this.#refuse(flaw)
    this.#connectionCount++
    visitor.connectionCount++
    return undefined
  }

  leave(visitor: Visitor): void {
    if (!this.countsConnections) return
    this.#connectionCount--
    visitor.connectionCount--
    this.#forgetIfGone(visitor)
  }

  /** What a connection's messages are counted against; nothing where they are not. */
  bucketsOf(ip: string): readonly TokenBucket[] | undefined {
    const { maxMessagesPerSecond: rate, maxMessagesPerSecondPerIp: sharedRate } = this.#limits
    const shared = sharedRate === 0 ? undefined : this.#visitors.get(networkOf(ip))?.bucket
    if (rate === 0) return shared === undefined ? undefined : [shared]
    return shared === undefined ? [new TokenBucket(rate)] : [new TokenBucket(rate), shared]
  }

  #newVisitor(network: string): Visitor {
    const { maxMessagesPerSecondPerIp: rate } = this.#limits
    const bucket = rate === 0 || network === '' ? undefined : new TokenBucket(rate)
    return { network, handshakeCount: 0, connectionCount: 0, bucket }
  }

  #refuse(flaw: FlotillaError): FlotillaError {
    this.refusedCount++
    return flaw
  }

  /** A network may have at most as many handshakes under way as are still free, so it always leaves room for others. */
  #handshakeFlawOf({ network, handshakeCount }: Visitor): FlotillaError | undefined {
    const room = this.#limits.maxHandshakes - this.#handshakeCount
    if (room <= 0) return BUSY
    return network !== '' && handshakeCount >= room ? TOO_MANY_HANDSHAKES : undefined
  }

  #connectionFlawOf({ network, connectionCount }: Visitor): FlotillaError | undefined {
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    if (maxConnections > 0 && this.#connectionCount >= maxConnections) return FULL
    if (maxConnectionsPerIp === 0 || network === '') return undefined
    return connectionCount >= maxConnectionsPerIp ? TOO_MANY_CONNECTIONS : undefined
  }

  #forgetIfGone(visitor: Visitor): void {
    const { network, handshakeCount, connectionCount } = visitor
    if (handshakeCount > 0 || connectionCount > 0 || this.#visitors.get(network) !== visitor) return
    const missing = visitor.bucket?.missing ?? 0
    if (missing === 0) this.#visitors.delete(network)
    // Who comes back at once does not begin with a full bucket.
    else setTimeout(() => this.#forgetIfGone(visitor), missing).unref()
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
