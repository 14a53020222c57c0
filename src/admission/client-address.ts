import type { IncomingMessage } from 'node:http'
import { isIP, type Socket, SocketAddress } from 'node:net'
import { FlotillaError } from '../errors.ts'
import { AddressRanges, networkOf, withoutMapping, withoutZone } from '../lib/addresses.ts'
import { shown } from '../lib/shown.ts'
import { type Logger, silent } from '../logger.ts'
import { UnreadableHops } from './unreadable-hops.ts'

/** Finds a client's address: the address of its socket or, behind trusted proxies, the address that they report. */
export class ClientAddress {
  readonly #trusted = new AddressRanges()
  readonly #unreadable: UnreadableHops

  /** @param trusted addresses and CIDR ranges. @throws FlotillaError `FLT_BAD_OPTION` */
  constructor(trusted: readonly string[], logger: Logger = silent) {
    this.#unreadable = new UnreadableHops(logger)
    for (const entry of trusted) this.#trust(entry)
  }

  /**
   * Returns the furthest address that trusted proxies vouch for. If a trusted proxy reports something that is not an
   * address, the client counts as that proxy, because everything further left may come from the client itself.
   */
  of({ socket, headers }: IncomingMessage): string {
    let believed = peerOf(socket)
    if (!this.#trusted.has(believed)) return believed
    const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
    // Read from the right: each proxy appends the address that it saw, and only trusted proxies are believed.
    for (const hop of forwarded.toReversed().map((part) => part.trim())) {
      if (hop === '') continue
      const address = readHop(hop)
      if (address === undefined) {
        this.#unreadable.add(believed, hop)
        return believed
      }
      if (hop.includes('%') || !this.#trusted.has(address)) return address
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
    return peer === '' || this.#trusted.has(peer) ? undefined : networkOf(peer)
  }

  #trust(entry: string): void {
    if (typeof entry === 'string' && this.#trusted.add(entry)) return
    const what = typeof entry === 'string' ? `'${entry}'` : shown(entry)
    throw new FlotillaError('FLT_BAD_OPTION', `trustProxy: ${what} is not an address or a range such as 10.0.0.0/8`)
  }
}

function peerOf({ remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): string {
  return withoutMapping(remoteAddress)
}

/** `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each with or without quotes. */
const HOP = /^(?:\[(?<bracketed>[^\]]+)\](?::\d{1,5})?|(?<ipv4>[\d.]+):\d{1,5}|(?<bare>.+))$/

/**
 * The address, without port and zone, as the kernel spells those of sockets (ipaddr.js spells some differently). Undefined
 * if there is none: proxies also write `unknown`.
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
