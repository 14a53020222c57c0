import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorReport } from '../api.ts'
import type { Admission } from '../connection/admission.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { Connections } from '../connection/connections.ts'
import { FlotillaError, tellable } from '../errors.ts'
import { withDeadline } from '../lib/deadline.ts'
import { ownText } from '../lib/own-text.ts'
import { HandshakeContext, type Services } from '../modules/contexts.ts'
import type { Module } from '../modules/module.ts'
import { refuse } from '../modules/refuse.ts'
import type { Match, Router } from '../modules/router.ts'
import { Acceptor } from './acceptor.ts'
import type { AdmissionLimits, ClientNetwork } from './admission-limits.ts'
import type { ClientAddress } from './client-address.ts'
import { HandshakePacer } from './handshake-pacer.ts'
import { bodyOf, writeRefusal } from './refusal.ts'
import { readTarget, type RequestTarget, targetFlawOf } from './request-target.ts'
import { flawOf } from './upgrade-check.ts'

/**
 * Handshakes that begin in one turn of the event loop, and as many that end. Each takes some 50 µs; after a node has died its
 * clients come at once, and whatever is pushed meanwhile would wait for all of them.
 */
const PER_TURN = 16

export interface GateHooks {
  readonly services: Services
  readonly onError: (report: ErrorReport) => void
  /** Resolves once this node is in the cluster: whoever comes early waits. */
  readonly ready: () => Promise<void>
  readonly isReady: () => boolean
}

/** A client that asks to be let in. */
interface Applicant extends Admission {
  readonly upgrade: IncomingMessage
}

export interface GateSettings {
  readonly address: ClientAddress
  /** Bytes of one message. */
  readonly maxPayload: number
  /** Whether clients may have their messages compressed. */
  readonly compression: boolean
  /** ms that the handshake's middleware and hook may take. */
  readonly timeout: number
  readonly limits: AdmissionLimits
  /** They take over from here. */
  readonly connections: Connections
}

/** Lets clients in, or answers why not. */
export class Gate {
  readonly #router: Router<Module>
  readonly #address: ClientAddress
  readonly #timeout: number
  readonly #limits: AdmissionLimits
  readonly #connections: Connections
  readonly #hooks: GateHooks
  readonly #acceptor: Acceptor
  readonly #entryPacer = new HandshakePacer(PER_TURN)
  readonly #exitPacer = new HandshakePacer(PER_TURN)
  /** Whose 101 is being written. */
  #completing: HandshakeContext | undefined

  constructor(router: Router<Module>, settings: GateSettings, hooks: GateHooks) {
    const { maxPayload, compression } = settings
    this.#router = router
    this.#address = settings.address
    this.#timeout = settings.timeout
    this.#limits = settings.limits
    this.#connections = settings.connections
    this.#hooks = hooks
    this.#acceptor = new Acceptor({
      maxPayload,
      compression,
      protocol: () => this.#completing?.protocol,
      headers: () => this.#completing?.ownHeaders ?? [],
    })
  }

  /** Whether some module lives at the request's path. */
  serves(request: IncomingMessage): boolean {
    return this.#router.match(readTarget(request).path) !== undefined
  }

  /** Resolves, once the handshake is over, to whether a connection came of it. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<boolean> {
    // Whatever happens to the socket before `ws` owns it must not end the process.
    socket.on('error', ignore)
    const target = readTarget(request)
    const flaw = targetFlawOf(target) ?? flawOf(request) ?? headerFlawOf(request)
    if (flaw !== undefined) return this.#refuse(socket, flaw)
    const match = this.#router.match(target.path)
    if (match === undefined) return this.refuseUnknown(request, socket)
    const ip = ownText(this.#address.of(request))
    const client = this.#limits.beginHandshake(ip)
    if (client instanceof FlotillaError) return this.#refuse(socket, client)
    try {
      // It is counted while it waits, and whoever may not come in is told at once.
      const turn = this.#entryPacer.pass()
      if (turn !== undefined) await turn
      return await this.#letIn(client, this.#applicantOf(match, target, ip, request, socket), socket, head)
    } finally {
      this.#limits.endHandshake(client)
    }
  }

  refuseUnknown(request: IncomingMessage, socket: Duplex): Promise<false> {
    const target = readTarget(request)
    const unknown = new FlotillaError('FLT_NOT_FOUND', `no module lives at ${target.path}: connect to the path of one`)
    return this.#refuse(socket, targetFlawOf(target) ?? unknown)
  }

  async #letIn(client: ClientNetwork, admission: Applicant, socket: Duplex, head: Buffer): Promise<boolean> {
    const { headers } = admission.context
    if (!this.#hooks.isReady() && !(await this.#becomesReady())) return this.#refuse(socket, NOT_READY)
    const outcome = this.#handshake(admission)
    const refusal = outcome instanceof Promise ? await outcome : outcome
    if (refusal !== undefined) return this.#answer(socket, refusal, headers)
    if (socket.destroyed) return false
    const misfit = protocolFlawOf(admission)
    if (misfit !== undefined) return this.#refuseMisfit(socket, misfit)
    // Others may have been let in while this one's handshake took its time.
    const full = this.#limits.enter(client)
    if (full !== undefined) return this.#refuse(socket, full, headers)
    let isIn = false
    try {
      isIn = await this.#seat(admission, socket, head)
    } finally {
      if (!isIn || socket.closed) this.#limits.leave(client)
      else if (this.#limits.countsConnections) socket.once('close', () => this.#limits.leave(client))
    }
    return isIn
  }

  async #seat(admission: Applicant, socket: Duplex, head: Buffer): Promise<boolean> {
    const connection = await this.#admit(admission, socket)
    if (connection === undefined) return false
    // Those that were stored together are told together.
    const turn = this.#exitPacer.pass()
    if (turn !== undefined) await turn
    socket.off('error', ignore)
    return this.#complete(connection, admission, socket, head)
  }

  async #answer(socket: Duplex, response: Response, headers?: Headers): Promise<false> {
    try {
      writeRefusal(socket, response, await bodyOf(response, this.#timeout, tooSlow), headers)
      return false
    } catch (error) {
      this.#hooks.onError({ phase: 'handshake', error })
      return this.#refuse(socket, tellable(error, FAILED), headers)
    }
  }

  #refuse(socket: Duplex, error: FlotillaError, headers?: Headers): Promise<false> {
    return this.#answer(socket, refuse(error), headers)
  }

  #refuseMisfit(socket: Duplex, error: FlotillaError): Promise<false> {
    this.#hooks.onError({ phase: 'handshake', error })
    return this.#refuse(socket, FAILED)
  }

  #applicantOf(
    { value: module, params }: Match<Module>,
    { url, path }: RequestTarget,
    ip: string,
    upgrade: IncomingMessage,
    socket: Duplex,
  ): Applicant {
    const { cluster, log } = this.#hooks.services
    const request = { url, rawHeaders: upgrade.rawHeaders }
    const signal = (): AbortSignal => signalOf(socket)
    const context = new HandshakeContext({ cluster, log, request, path: module.path, params, ip, signal })
    return { module, context, request, path, port: upgrade.socket.remotePort ?? 0, upgrade }
  }

  async #becomesReady(): Promise<boolean> {
    try {
      await this.#hooks.ready()
      return true
    } catch {
      return false
    }
  }

  /** At once where no hook and no middleware has anything to wait for: then there is no deadline to keep either. */
  #handshake({ module, context }: Admission): Response | undefined | Promise<Response | undefined> {
    const failed = (error: unknown): Response => {
      this.#hooks.onError({ phase: 'handshake', error })
      return refuse(tellable(error, FAILED))
    }
    try {
      const outcome = module.handshake(context)
      return outcome instanceof Promise ? withDeadline(outcome, this.#timeout, tooSlow).catch(failed) : outcome
    } catch (error) {
      return failed(error)
    }
  }

  async #admit(admission: Admission, socket: Duplex): Promise<ClientConnection | undefined> {
    try {
      return await this.#connections.admit(admission)
    } catch (error) {
      const refusal = tellable(error, FAILED)
      if (refusal.status >= 500) this.#hooks.onError({ phase: 'handshake', error })
      await this.#refuse(socket, refusal, admission.context.headers)
      return undefined
    }
  }

  #complete(connection: ClientConnection, admission: Applicant, socket: Duplex, head: Buffer): boolean {
    let isOpen = false
    this.#completing = admission.context
    this.#acceptor.accept(admission.upgrade, socket, head, (transport) => {
      isOpen = true
      this.#connections.opened(connection, admission, transport, socket)
    })
    this.#completing = undefined
    if (!isOpen) this.#connections.lost(connection)
    return isOpen
  }
}

/** Aborts when the client goes away. */
function signalOf(socket: Duplex): AbortSignal {
  const abort = new AbortController()
  if (socket.destroyed) abort.abort()
  else socket.once('close', () => abort.abort())
  return abort.signal
}

function ignore(): void {}

/** The parser of a server that is attached to leaves out, without a word, what follows its 1,000th header: maybe `Origin`. */
const MAX_HEADERS = 100

function headerFlawOf({ headers, rawHeaders }: IncomingMessage): FlotillaError | undefined {
  const { 'content-length': length = '0' } = headers
  // A proxy takes for a body what would be read as frames here.
  if (length !== '0') return new FlotillaError('FLT_BAD_HANDSHAKE', 'a WebSocket handshake has no body')
  if (rawHeaders.length <= 2 * MAX_HEADERS) return undefined
  return new FlotillaError('FLT_TOO_MANY_HEADERS', `a handshake may have ${MAX_HEADERS} headers: send fewer`)
}

/** The answer's subprotocol goes out as it is: one that nobody offered could hold a line break. */
function protocolFlawOf({ context: { protocol }, upgrade }: Applicant): FlotillaError | undefined {
  if (protocol === undefined) return undefined
  const offered = upgrade.headers['sec-websocket-protocol'] ?? ''
  if (offered.split(',').some((name) => name.trim() === protocol)) return undefined
  return new FlotillaError(
    'FLT_BAD_MODULE',
    `ctx.protocol is ${JSON.stringify(protocol)}, which the client did not offer: set one of those that it did`,
  )
}

const tooSlow = (): FlotillaError =>
  new FlotillaError('FLT_TIMEOUT', 'the handshake took the server too long: try again')

const NOT_READY = new FlotillaError('FLT_STORE_AWAY', 'this node is not in the cluster yet: try again')
const FAILED = new FlotillaError('FLT_INTERNAL', 'the handshake failed on the server; its log says why')
