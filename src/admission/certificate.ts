import type { Server as HttpServer } from 'node:http'
import { createSecureContext, Server as TlsServer } from 'node:tls'
import { FlotillaError } from '../errors.ts'

/** A certificate chain and its private key, in PEM. */
export interface Certificate {
  cert: string | Buffer
  key: string | Buffer
}

/**
 * Gives a server another certificate, for every TLS handshake that begins later.
 *
 * @throws FlotillaError `FLT_BAD_OPTION`, and then the server keeps the one that it has
 */
export function changeCertificate(http: HttpServer | undefined, { cert, key }: Certificate): void {
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new FlotillaError('FLT_BAD_OPTION', 'tls: give a certificate and its private key, both in PEM', { cause })
  }
  if (http instanceof TlsServer) http.setSecureContext({ cert, key })
}
