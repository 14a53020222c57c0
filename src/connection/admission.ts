import type { HandshakeContext } from '../modules/contexts.ts'
import type { Module } from '../modules/module.ts'
import type { UpgradeRequest } from '../modules/upgrade-request.ts'

/** A client whose handshake was accepted and that has not got its 101 yet. */
export interface Admission {
  readonly module: Module
  readonly context: HandshakeContext
  readonly request: UpgradeRequest
  /** The request's path, without the query. */
  readonly path: string
  /** The remote port of the socket: the client's, or the port of the proxy in front. */
  readonly port: number
}
