import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FlotillaError } from '../errors.ts'
import { withoutBrackets } from '../lib/addresses.ts'
import { checkNames } from '../lib/checked-names.ts'

const DEFAULT_PORT = 18_308
const DEFAULT_HOST = '127.0.0.1'
/**
 * How many clients the kernel may hold until Node accepts them, which it does one per turn of the event loop. The
 * kernel drops further clients, and they try again after 1 s, 3 s and 7 s. With Node's default of 511, a crowd would
 * arrive in waves. 4,096 is Linux's own default.
 */
const BACKLOG = 4_096

/** Where a server listens. */
export interface ListenOptions {
  /** The port to listen on. 0 picks a free one. Default 18308. */
  port?: number | undefined
  /** The address to listen on; `[::1]` is the same as `::1`. Default 127.0.0.1. */
  host?: string | undefined
  /** The path of a Unix socket to listen on, instead of a port and a host. */
  unix?: string | undefined
}

/** @throws FlotillaError `FLT_BAD_OPTION` */
export function parseListen(where: number | ListenOptions, host: string | undefined): ListenOptions {
  if (typeof where === 'number') return host === undefined ? { port: where } : { port: where, host }
  checkNames('listen', where, ['port', 'host', 'unix'])
  const isAmbiguous = host !== undefined || (where.unix !== undefined && (where.port ?? where.host) !== undefined)
  if (!isAmbiguous) return where
  throw new FlotillaError(
    'FLT_BAD_OPTION',
    'give listen a port and a host once, or unix alone: one of them would be ignored',
  )
}

/** Resolves to the URL that clients reach the server by. */
export async function listenOn(
  http: HttpServer,
  { port = DEFAULT_PORT, host = DEFAULT_HOST, unix }: ListenOptions,
  isSecure: boolean,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    const listening = (): void => {
      http.off('error', reject)
      resolve()
    }
    if (unix === undefined) http.listen(port, withoutBrackets(host), BACKLOG, listening)
    else http.listen(unix, BACKLOG, listening)
  })
  if (unix !== undefined) return `unix:${unix}`
  const { address, family, port: bound } = http.address() as AddressInfo
  const name = family === 'IPv6' ? `[${address}]` : address
  return `${isSecure ? 'https' : 'http'}://${name}:${bound}`
}

/** Stops accepting connections. Resolves when the last one has closed. */
export function closeServer(http: HttpServer | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (http === undefined || !http.listening) resolve()
    else http.close(() => resolve())
  })
}
