import { isIP, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether a host is always this machine: an address such as `127.0.0.1`, `::1`, `[::1]`, `::ffff:127.0.0.1`, or
 * `localhost`.
 */
export function isLoopback(given: string): boolean {
  const host = withoutBrackets(given)
  if (isIP(host) === 0) return isLocalName(host.toLowerCase())
  const [address = ''] = host.split('%', 1)
  // ipaddr.js takes `::127.0.0.1` for 127.0.0.1, which it is not.
  return ipaddr.process(address.replace(/^::(?=\d+\.)/, '0::')).range() === 'loopback'
}

/** An IPv6 address as URLs have it, `[::1]`, becomes the plain one. Any other host stays as it is. */
export function withoutBrackets(host: string): string {
  const inner = host.slice(1, -1)
  return host === `[${inner}]` && isIPv6(inner) ? inner : host
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
  return isLoopback(new URL(url).hostname)
}

// RFC 6761 §6.3: these names are loopback wherever they are resolved.
function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}
