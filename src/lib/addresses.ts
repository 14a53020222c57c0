import { isIP } from 'node:net'

/**
 * Whom an IP address stands for: itself, or, if it is IPv6, its /64 network. Every household has such a network, with more
 * addresses in it than can be counted.
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

/** An address with a zone has none, since a zone means something on one machine only. */
export function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  if (address.includes('%')) return undefined
  const version = isIP(address)
  if (version === 0) return undefined
  return version === 4 ? 'ipv4' : 'ipv6'
}

export function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** An IPv4 address as itself: a dual-stack socket shows it as an IPv6 one (RFC 4291 §2.5.5.2). */
export function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}
