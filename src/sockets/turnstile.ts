import type { Duplex } from 'node:stream'
import { FlotillaError } from '../errors.ts'
import { networkOf } from './client-address.ts'
import { TokenBucket } from './token-bucket.ts'

/** Of all of them 0 is for no limit. */
export interface TurnstileLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly maxMessagesPerSecond: number
  readonly maxMessagesPerSecondPerIp: number
}

/** What one client address does here. */
interface Visitor {
  count: number
  readonly bucket: TokenBucket | undefined
}

/** Counts who is in, on the node and from each address. Where no limit is set it does nothing. */
export class Turnstile {
  /** Clients that were turned away for one of these limits. */
  refusedCount = 0
  readonly #limits: TurnstileLimits
  readonly #tellsApart: boolean
  readonly #visitors = new Map<string, Visitor>()
  #count = 0

  constructor(limits: TurnstileLimits) {
    this.#limits = limits
    this.#tellsApart = limits.maxConnectionsPerIp > 0 || limits.maxMessagesPerSecondPerIp > 0
  }

  /** Lets a client through until its socket closes, or says why not. */
  enter(ip: string, socket: Duplex): FlotillaError | undefined {
    if (this.#limits.maxConnections === 0 && !this.#tellsApart) return undefined
    const flaw = this.#flawOf(ip)
    if (flaw !== undefined) {
      this.refusedCount++
      return flaw
    }
    // One that is gone already tells so no more.
    if (socket.destroyed) return undefined
    this.#count++
    const leave = this.#visit(ip)
    socket.once('close', () => {
      this.#count--
      leave?.()
    })
    return undefined
  }

  /** What a connection's messages are counted against; nothing where they are not. */
  bucketsOf(ip: string): readonly TokenBucket[] | undefined {
    const { maxMessagesPerSecond: rate } = this.#limits
    const shared = this.#tellsApart ? this.#visitors.get(networkOf(ip))?.bucket : undefined
    if (rate === 0) return shared === undefined ? undefined : [shared]
    return shared === undefined ? [new TokenBucket(rate)] : [new TokenBucket(rate), shared]
  }

  #flawOf(ip: string): FlotillaError | undefined {
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    if (maxConnections > 0 && this.#count >= maxConnections) return FULL
    if (maxConnectionsPerIp === 0 || ip === '') return undefined
    const visitor = this.#visitors.get(networkOf(ip))
    return visitor !== undefined && visitor.count >= maxConnectionsPerIp ? TOO_MANY : undefined
  }

  #visit(ip: string): (() => void) | undefined {
    // A Unix socket's clients have no address to tell them apart by.
    if (!this.#tellsApart || ip === '') return undefined
    const { maxMessagesPerSecondPerIp: rate } = this.#limits
    const network = networkOf(ip)
    let visitor = this.#visitors.get(network)
    if (visitor === undefined) {
      visitor = { count: 0, bucket: rate === 0 ? undefined : new TokenBucket(rate) }
      this.#visitors.set(network, visitor)
    }
    visitor.count++
    return () => this.#leave(network, visitor)
  }

  #leave(network: string, visitor: Visitor): void {
    if (--visitor.count > 0) return
    const missing = visitor.bucket?.missing ?? 0
    if (missing === 0) this.#visitors.delete(network)
    // Who comes back at once does not begin with a full bucket.
    else setTimeout(() => this.#forget(network, visitor), missing).unref()
  }

  #forget(network: string, visitor: Visitor): void {
    if (visitor.count === 0 && this.#visitors.get(network) === visitor) this.#visitors.delete(network)
  }
}

const FULL = new FlotillaError('FLT_OVERLOADED', 'this node has as many connections as it takes: try again later')
const TOO_MANY = new FlotillaError(
  'FLT_TOO_MANY',
  'your address has as many connections to this node as it may have: close one first',
)
