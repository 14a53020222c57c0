import type { HandshakeContext } from '../modules/contexts.ts'
import type { Module } from '../modules/module.ts'
import type { UpgradeRequest } from '../modules/upgrade-request.ts'

/** A client whose handshake let it in, before its 101. */
export interface Admission {
  readonly module: Module
  readonly context: HandshakeContext
  readonly request: UpgradeRequest
  /** The request's path, without the query. */
  readonly path: string
  /** The client's, or the last proxy's. */
  readonly port: number
}
