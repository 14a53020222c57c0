import type { Server as HttpServer } from 'node:http'
import { createSecureContext, Server as TlsServer } from 'node:tls'
import { FlotillaError } from '../errors.ts'

/** A certificate chain and its private key, in PEM. */
export interface Certificate {
  cert: string | Buffer
  key: string | Buffer
}

/**
 * Node itself takes a certificate without a key, and nothing at all, and then no client can connect.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`, which never repeats a value: it may be a private key
 */
export function checkCertificate(tls: Certificate): void {
  try {
    const { cert, key } = tls
    if (isGiven(cert) && isGiven(key)) return void createSecureContext({ cert, key })
  } catch (cause) {
    throw badTls(` (${String((cause as NodeJS.ErrnoException).code)})`, { cause })
  }
  throw badTls('')
}

/**
 * Gives a server another certificate, for every TLS handshake that begins later.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`, and then the server keeps the one that it has
 */
export function changeCertificate(http: HttpServer | undefined, tls: Certificate): void {
  checkCertificate(tls)
  const { cert, key } = tls
  if (http instanceof TlsServer) http.setSecureContext({ cert, key })
}

function isGiven(value: unknown): boolean {
  return (typeof value === 'string' || value instanceof Uint8Array) && value.length > 0
}

function badTls(found: string, options?: ErrorOptions): FlotillaError {
  return new FlotillaError(
    'FLT_BAD_OPTION',
    `tls: give a certificate and its private key, both in PEM${found}`,
    options,
  )
}
