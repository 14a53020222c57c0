import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether a host is always this machine: an address such as `127.0.0.1`, `::1`, `::ffff:127.0.0.1`, or `localhost`. */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return isLocalName(host.toLowerCase())
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

type HeaderOf = (name: string) => string | null | undefined

/**
 * Whether a request comes from this machine, as far as its headers tell: its `Host` is a local name, and no proxy or
 * tunnel on this machine says that it forwards the request for somebody elsewhere.
 */
export function isFromThisMachine(headerOf: HeaderOf): boolean {
  if (!isLoopbackHostHeader(headerOf('host'))) return false
  return forwardedFor(headerOf).every((address) => isLoopback(address) || isLoopbackHostHeader(address))
}

/** The same for a health probe, which may come without `Host`: no browser leaves that out. */
export function isProbeFromThisMachine(headerOf: HeaderOf): boolean {
  return isFromThisMachine((name) => headerOf(name) || (name === 'host' ? 'localhost' : undefined))
}

/** The addresses in `X-Forwarded-For`, `X-Real-IP` and `Forwarded` (RFC 7239), with or without a port. */
function forwardedFor(headerOf: HeaderOf): string[] {
  const lists = [headerOf('x-forwarded-for'), headerOf('x-real-ip')].map((header) => header?.split(',') ?? [])
  const named = [...(headerOf('forwarded') ?? '').matchAll(/\bfor=([^;,]*)/gi)].map(([, address = '']) => address)
  return [...lists.flat(), ...named].map((address) => address.trim().replaceAll('"', ''))
}

/**
 * Whether a `Host` header names this machine. If a site makes its own name resolve to 127.0.0.1 (DNS rebinding), its
 * pages still send that name here.
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
