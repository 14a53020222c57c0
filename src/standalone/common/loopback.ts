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

type HeaderOf = (name: string) => string | null | undefined

/**
 * Whether a request is from this machine, as far as its headers tell: it asks for a local name, and no proxy or tunnel
 * here says that it forwards it for somebody elsewhere.
 */
export function isFromThisMachine(headerOf: HeaderOf): boolean {
  if (!isLoopbackHostHeader(headerOf('host'))) return false
  return forwardedFor(headerOf).every((address) => isLoopback(address) || isLoopbackHostHeader(address))
}

/** Every address, with or without a port, of `X-Forwarded-For`, `X-Real-IP` and `Forwarded` (RFC 7239). */
function forwardedFor(headerOf: HeaderOf): string[] {
  const lists = [headerOf('x-forwarded-for'), headerOf('x-real-ip')].map((header) => header?.split(',') ?? [])
  const named = [...(headerOf('forwarded') ?? '').matchAll(/\bfor=([^;,]*)/gi)].map(([, address = '']) => address)
  return [...lists.flat(), ...named].map((address) => address.trim().replaceAll('"', ''))
}

/**
 * Whether a `Host` header names this machine. A page that made its own name resolve to 127.0.0.1 (DNS rebinding) still
 * says its own name here.
 */
function isLoopbackHostHeader(header: string | null | undefined): boolean {
  if (header === null || header === undefined || !/^[\w.\-:[\]]+$/.test(header)) return false
  const url = `http://${header}`
  if (!URL.canParse(url)) return false
  return isLoopback(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
}

// RFC 6761 §6.3: these names are loopback wherever they are resolved.
function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}
