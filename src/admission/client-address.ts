import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, type Socket, SocketAddress } from 'node:net'
import { FlotillaError } from '../errors.ts'
import { familyOf, networkOf, withoutMapping, withoutZone } from '../lib/addresses.ts'
import { shown } from '../lib/shown.ts'
import { type Logger, silent } from '../logger.ts'
import { UnreadableHops } from './unreadable-hops.ts'

/** Finds a client's address: the address of its socket or, behind trusted proxies, the address that they report. */
export class ClientAddress {
  readonly #trusted = new BlockList()
  readonly #trustsAny: boolean
  readonly #unreadable: UnreadableHops

  /** @param trusted addresses and CIDR ranges. @throws FlotillaError `FLT_BAD_OPTION` */
  constructor(trusted: readonly string[], logger: Logger = silent) {
    this.#trustsAny = trusted.length > 0
    this.#unreadable = new UnreadableHops(logger)
    for (const entry of trusted) this.#trust(entry)
  }

  /**
   * Returns the furthest address that trusted proxies vouch for. If a trusted proxy reports something that is not an
   * address, the client counts as that proxy, because everything further left may come from the client itself.
   */
  of({ socket, headers }: IncomingMessage): string {
    let believed = peerOf(socket)
    if (!this.#isTrusted(believed)) return believed
    const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
    // Read from the right: each proxy appends the address that it saw, and only trusted proxies are believed.
    for (const hop of forwarded.toReversed().map((part) => part.trim())) {
      if (hop === '') continue
      const address = readHop(hop)
      if (address === undefined) {
        this.#unreadable.add(believed, hop)
        return believed
      }
      if (hop.includes('%') || !this.#isTrusted(address)) return address
      believed = address
    }
    return believed
  }

  /**
   * The network that a socket counts for. Undefined for a Unix socket, which has no address, and for a trusted proxy,
   * which connects for many clients.
   */
  networkOf(socket: Socket): string | undefined {
    const peer = peerOf(socket)
    return peer === '' || this.#isTrusted(peer) ? undefined : networkOf(peer)
  }

  #trust(entry: string): void {
    const [address = '', prefix, ...rest] = typeof entry === 'string' ? entry.split('/') : []
    const family = familyOf(address)
    if (family === undefined || rest.length > 0 || (prefix !== undefined && !isPrefix(prefix, family))) {
      throw new FlotillaError(
        'FLT_BAD_OPTION',
        `trustProxy: ${typeof entry === 'string' ? `'${entry}'` : shown(entry)} is not an address or a range such as 10.0.0.0/8`,
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

/** Digits only: `Number('')` is 0, and a prefix of 0 trusts everyone. */
function isPrefix(text: string, family: 'ipv4' | 'ipv6'): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= (family === 'ipv4' ? 32 : 128)
}

/** The kernel spells each address in one way only, so a socket's address needs no parsing. */
function peerOf({ remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): string {
  return withoutMapping(remoteAddress)
}

/** `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each with or without quotes. */
const HOP = /^(?:\[(?<bracketed>[^\]]+)\](?::\d{1,5})?|(?<ipv4>[\d.]+):\d{1,5}|(?<bare>.+))$/

/**
 * The address in its canonical spelling, without port and zone. Undefined if there is none: proxies also write
 * `unknown`.
 */
function readHop(hop: string): string | undefined {
  const unquoted = hop.startsWith('"') && hop.endsWith('"') ? hop.slice(1, -1).trim() : hop
  const { bracketed, ipv4, bare } = HOP.exec(unquoted)?.groups ?? {}
  const address = bracketed ?? ipv4 ?? bare ?? ''
  switch (isIP(address)) {
    case 4:
      return address
    case 6:
      return withoutMapping(new SocketAddress({ address: withoutZone(address), family: 'ipv6' }).address)
    default:
      return undefined
  }
}
