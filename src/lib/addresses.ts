import { isIP, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

const BITS = 128
/** The bytes of an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) that stand before the IPv4 address. */
const MAPPING = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** Addresses and CIDR ranges. An IPv4 address and its IPv4-mapped IPv6 address are the same here. */
export class AddressRanges {
  readonly #ranges: (readonly [base: ipaddr.IPv6, bits: number])[] = []

  /** Returns false if the text is neither an address nor a range such as `10.0.0.0/8`. */
  add(text: string): boolean {
    const address = parse(text)
    if (address !== undefined) return this.#ranges.push([address, BITS]) > 0
    const base = parse(text.replace(/\/\d+$/, ''))
    if (base === undefined || !ipaddr.isValidCIDR(text)) return false
    const [given, bits] = ipaddr.parseCIDR(text)
    return this.#ranges.push([base, given.kind() === 'ipv4' ? MAPPING.length * 8 + bits : bits]) > 0
  }

  has(address: string): boolean {
    if (this.#ranges.length === 0) return false
    const sought = parse(address)
    return sought !== undefined && this.#ranges.some(([base, bits]) => sought.match(base, bits))
  }
}

/**
 * The key that limits count an IP address under: an IPv4 address itself, or the /64 network of an IPv6 address. A
 * single household has a whole /64, so counting single IPv6 addresses would limit nobody.
 */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip
  const address = parse(withoutZone(ip))
  if (address === undefined) return ip
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString()
  const groups = address.parts.slice(0, 4).map((group) => group.toString(16))
  return `${groups.join(':')}::/64`
}

export function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** An IPv6 address as URLs have it, `[::1]`, becomes the plain one. Any other host stays as it is. */
export function withoutBrackets(host: string): string {
  const inner = host.slice(1, -1)
  return host === `[${inner}]` && isIPv6(inner) ? inner : host
}

/**
 * Turns an IPv4-mapped IPv6 address, as dual-stack sockets report it, back into the IPv4 address. The kernel spells these
 * in one way only. They come with every connection and request, and reading them properly takes sixteen times as long.
 */
export function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

/**
 * An address as IPv6. `undefined` if the text is not an address, or has a zone: a zone has a meaning on one machine only.
 * `isIP` looks first, because ipaddr.js also takes spellings that other programs read differently, such as `010.0.0.1`.
 */
function parse(text: string): ipaddr.IPv6 | undefined {
  if (text.includes('%')) return undefined
  switch (isIP(text)) {
    case 4:
      // Its own method, toIPv4MappedAddress, would write a text and read that, for every hop of every request.
      return new ipaddr.IPv6([...MAPPING, ...ipaddr.IPv4.parse(text).octets])
    case 6:
      // ipaddr.js takes `::192.0.2.1` for an IPv4-mapped address, which it is not: its sender would pass for somebody else.
      return ipaddr.IPv6.parse(text.replace(/^::(?=\d+\.)/, '0::'))
    default:
      return undefined
  }
}
