import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether an address (`127.0.0.1`, `::1`, `::ffff:127.0.0.1`) or the name `localhost` never leaves this machine. */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return isLocalName(host.toLowerCase())
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether some of these addresses and ranges is of this machine. */
export function includesLoopback(ranges: readonly string[]): boolean {
  const listed = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    if (isLoopback(address)) return true
    if (bits !== undefined) listed.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return listed.check('127.0.0.1', 'ipv4') || listed.check('::1', 'ipv6')
}

/**
 * Whether a `Host` header names this machine. A page that made its own name resolve to 127.0.0.1 (DNS rebinding) still
 * says its own name here.
 */
export function isLoopbackHostHeader(header: string | null | undefined): boolean {
  if (header === null || header === undefined || !/^[\w.\-:[\]]+$/.test(header)) return false
  const url = `http://${header}`
  if (!URL.canParse(url)) return false
  return isLoopback(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
}

// RFC 6761 §6.3: these names are loopback wherever they are resolved.
function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}
