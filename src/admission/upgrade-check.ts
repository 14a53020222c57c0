import type { IncomingMessage } from 'node:http'
import { FlotillaError } from '../errors.ts'
import { parseExtensions } from './extensions.ts'

const KEY = /^[+/0-9A-Za-z]{22}==$/
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** RFC 9110 §7.2: a name or an address, optionally with a port. */
const HOST = /^(?:\[[\d:.a-f]+\]|[^\s"#,/:<>?@[\\\]^`{|}]+)(?::\d*)?$/i

/** Says what is wrong with an upgrade request (RFC 6455 §4.2.1), if anything. It is stricter than `ws` alone. */
export function flawOf(request: IncomingMessage): FlotillaError | undefined {
  const { method, httpVersion, headers } = request
  if (method !== 'GET') return bad('a WebSocket handshake must be a GET request')
  if (httpVersion !== '1.1') return bad(`HTTP/${httpVersion} cannot be upgraded: use HTTP/1.1`)
  if (countOf(request, 'host') !== 1) return bad('a WebSocket handshake must have exactly one Host header')
  if (!isHost(headers.host ?? '')) return bad('the Host header must be a host, optionally with a port')
  if (hasBody(request)) return bad('a WebSocket handshake must not have a body')
  if (headers.upgrade?.toLowerCase() !== 'websocket') return bad("the Upgrade header must be 'websocket'")
  if (headers['sec-websocket-version'] !== '13') {
    return new FlotillaError('FLT_BAD_VERSION', 'this server accepts only WebSocket version 13 (RFC 6455)')
  }
  const key = headers['sec-websocket-key']
  if (key === undefined || !KEY.test(key)) return bad('Sec-WebSocket-Key must be the base64 of 16 bytes')
  const protocols = headers['sec-websocket-protocol']
  if (protocols !== undefined && !areNames(protocols))
    return bad('Sec-WebSocket-Protocol must list names, and none of them twice')
  const extensions = headers['sec-websocket-extensions']
  if (extensions !== undefined && parseExtensions(extensions) === undefined) {
    return bad('Sec-WebSocket-Extensions must list names and parameters in at most 1024 characters (RFC 6455 §9.1)')
  }
  return undefined
}

/** `ctx.url` is built from the host, so `URL` must accept it as well. */
function isHost(host: string): boolean {
  return HOST.test(host) && URL.canParse(`http://${host}`)
}

/** RFC 9112 §6.3 */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { 'transfer-encoding': encoding, 'content-length': length = '0' } = headers
  return encoding !== undefined || Number(length) !== 0
}

function areNames(protocols: string): boolean {
  const names = protocols.split(',').map((name) => name.trim())
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length
}

function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index]!
    if (header.length === name.length && header.toLowerCase() === name) count++
  }
  return count
}

function bad(message: string): FlotillaError {
  return new FlotillaError('FLT_BAD_HANDSHAKE', message)
}
