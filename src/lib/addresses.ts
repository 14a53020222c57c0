import { isIP } from 'node:net'

/**
 * The key that limits count an IP address under: an IPv4 address itself, or the /64 network of an IPv6 address. A
 * single household has a whole /64, so counting single IPv6 addresses would limit nobody.
 */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip
  const [head = '', tail] = withoutZone(ip).split('::', 2)
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array.from({ length: gap }, () => '0'), ...back].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/** `undefined` if the text is not an address, or has a zone: a zone has a meaning on one machine only. */
export function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  if (address.includes('%')) return undefined
  const version = isIP(address)
  if (version === 0) return undefined
  return version === 4 ? 'ipv4' : 'ipv6'
}

export function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/**
 * Turns an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), as dual-stack sockets report it, back into the IPv4 address.
 */
export function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}
