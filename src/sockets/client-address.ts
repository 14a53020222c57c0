import { BlockList, isIP } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { FlotillaError } from '../errors.ts'
import { shown } from '../shown.ts'

/** Finds a client's address: the socket's, or, behind proxies that are trusted, what the last of them saw. */
export class ClientAddress {
  readonly #trusted = new BlockList()
  readonly #trustsAny: boolean

  /** @param trusted addresses and CIDR ranges. @throws FlotillaError `FLT_BAD_OPTION` */
  constructor(trusted: readonly string[]) {
    this.#trustsAny = trusted.length > 0
    for (const entry of trusted) this.#trust(entry)
  }

  of(request: IncomingMessage): string {
    const peer = plain(request.socket.remoteAddress ?? '')
    if (!this.#isTrusted(peer)) return peer
    const forwarded = String(request.headers['x-forwarded-for'] ?? '').split(',')
    // From the right: each proxy appends whom it saw, and only trusted ones are believed.
    for (const hop of forwarded.toReversed().map((part) => plain(part.trim()))) {
      if (isIP(hop) === 0) return peer
      if (!this.#isTrusted(hop)) return hop
    }
    return peer
  }

  #trust(entry: string): void {
    const [address = '', prefix, ...rest] = typeof entry === 'string' ? entry.split('/') : []
    const family = familyOf(address)
    if (family === undefined || rest.length > 0 || (prefix !== undefined && !isPrefix(prefix, family))) {
      throw new FlotillaError(
        'FLT_BAD_OPTION',
        `trustProxy: ${typeof entry === 'string' ? `'${entry}'` : shown(entry)} is no address or range such as 10.0.0.0/8`,
      )
    }
    if (prefix === undefined) this.#trusted.addAddress(address, family)
    else this.#trusted.addSubnet(address, Number(prefix), family)
  }

  #isTrusted(address: string): boolean {
    if (!this.#trustsAny) return false
    const family = familyOf(address)
    return family !== undefined && this.#trusted.check(address, family)
  }
}

/**
 * Whom an address stands for: itself, or its /64 network where it is IPv6, of which every household has one, with more
 * addresses in it than can be counted.
 */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip
  const [head = '', tail] = (ip.split('%', 1)[0] ?? '').split('::', 2)
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array.from({ length: gap }, () => '0'), ...back].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/** Without a zone, which says something on one machine only. */
function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  if (address.includes('%')) return undefined
  const version = isIP(address)
  if (version === 0) return undefined
  return version === 4 ? 'ipv4' : 'ipv6'
}

/** Digits alone: `Number` takes nothing at all for 0, and 0 trusts everyone. */
function isPrefix(text: string, family: 'ipv4' | 'ipv6'): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= (family === 'ipv4' ? 32 : 128)
}

/** An IPv4 address without the dress that a dual-stack socket puts on it. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}
