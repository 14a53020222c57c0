import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorReport } from '../api.ts'
import type { Admission } from '../connection/admission.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import { type Connections, goingAway } from '../connection/connections.ts'
import { FlotillaError, tellable } from '../errors.ts'
import { withDeadline } from '../lib/deadline.ts'
import { ownText } from '../lib/own-text.ts'
import { HandshakeContext, type Services } from '../modules/contexts.ts'
import type { Module } from '../modules/module.ts'
import { refuse, refusedWith } from '../modules/refuse.ts'
import type { Match, Router } from '../modules/router.ts'
import { Acceptor } from './acceptor.ts'
import type { AdmissionLimits, ClientNetwork } from './admission-limits.ts'
import type { ClientAddress } from './client-address.ts'
import { HandshakePacer } from './handshake-pacer.ts'
import { bodyOf, writeRefusal } from './refusal.ts'
import { readTarget, type RequestTarget, targetFlawOf } from './request-target.ts'
import { flawOf } from './upgrade-check.ts'

/**
 * How many handshakes may begin in one turn of the event loop, and how many may end. Each takes about 50 µs. After a
 * node has died, its clients connect all at once, and without this limit every push would wait for all of their
 * handshakes.
 */
const PER_TURN = 16

export interface GateHooks {
  readonly services: Services
  readonly onError: (report: ErrorReport) => void
  /** Resolves once this node has joined the cluster. Handshakes that come earlier wait for it. */
  readonly ready: () => Promise<void>
  readonly isReady: () => boolean
}

/** A client whose handshake is in progress. */
interface Applicant extends Admission {
  readonly upgrade: IncomingMessage
  /** Whether the server to which the client came lets nobody in any more. */
  readonly isLeaving: () => boolean
}

export interface GateSettings {
  readonly address: ClientAddress
  /** Bytes of one message. */
  readonly maxPayload: number
  /** Whether to compress messages for clients that offer compression. */
  readonly compression: boolean
  /** ms that the handshake's middleware and hook may take. */
  readonly timeout: number
  readonly limits: AdmissionLimits
  /** Takes over every client that is admitted. */
  readonly connections: Connections
}

/** Runs the handshake of each client: admits the client, or answers why it is refused. */
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
  /** The handshake whose 101 is being written. */
  #accepting: HandshakeContext | undefined

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
      protocol: () => this.#accepting?.protocol,
      headers: () => this.#accepting?.ownHeaders ?? [],
    })
  }

  /** Whether there is a module at the request's path. */
  serves(request: IncomingMessage): boolean {
    return this.#router.match(readTarget(request).path) !== undefined
  }

  /** Resolves once the handshake is over: to true if it led to a connection. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, isLeaving = never): Promise<boolean> {
    // Until `ws` owns the socket, an error of the socket must not crash the process.
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
      // A handshake that waits for its turn is counted already, and one that is refused above never waits.
      const turn = this.#entryPacer.pass()
      if (turn !== undefined) await turn
      const applicant = { ...this.#applicantOf(match, target, ip, request, socket), isLeaving }
      return await this.#admit(client, applicant, socket, head)
    } finally {
      this.#limits.endHandshake(client)
    }
  }

  refuseUnknown(request: IncomingMessage, socket: Duplex): Promise<false> {
    socket.on('error', ignore)
    const target = readTarget(request)
    const unknown = new FlotillaError(
      'FLT_NOT_FOUND',
      `there is no module at ${target.path}: connect to the path of a module`,
    )
    return this.#refuse(socket, targetFlawOf(target) ?? unknown)
  }

  /** Refuses a client because the node is going away. */
  refuseLeaving(socket: Duplex): Promise<false> {
    socket.on('error', ignore)
    return this.#refuse(socket, goingAway())
  }

  async #admit(client: ClientNetwork, applicant: Applicant, socket: Duplex, head: Buffer): Promise<boolean> {
    const { headers } = applicant.context
    if (!this.#hooks.isReady() && !(await this.#becomesReady())) return this.#refuse(socket, NOT_READY)
    const outcome = this.#handshake(applicant)
    const refusal = outcome instanceof Promise ? await outcome : outcome
    if (refusal !== undefined) return this.#answer(socket, refusal, headers)
    if (socket.destroyed) return false
    const moduleFlaw = protocolFlawOf(applicant)
    if (moduleFlaw !== undefined) return this.#refuseForModule(socket, moduleFlaw)
    // Other clients may have been admitted while this handshake ran.
    const full = this.#limits.enter(client)
    if (full !== undefined) return this.#refuse(socket, full, headers)
    let isAdmitted = false
    try {
      isAdmitted = await this.#open(applicant, socket, head)
    } finally {
      if (!isAdmitted || socket.closed) this.#limits.leave(client)
      else if (this.#limits.countsConnections) socket.once('close', () => this.#limits.leave(client))
    }
    return isAdmitted
  }

  async #open(applicant: Applicant, socket: Duplex, head: Buffer): Promise<boolean> {
    // Invariant R1: stored before the 101, so that a push made once the client is open finds it.
    const connection = await this.#bind(applicant, socket)
    if (connection === undefined) return false
    // Bindings are stored in batches, so many handshakes get here in the same turn.
    const turn = this.#exitPacer.pass()
    if (turn !== undefined) await turn
    // While this handshake waited, the connections may have been told to go, and this one would be left behind.
    if (this.#connections.isClosing || applicant.isLeaving()) {
      this.#connections.lost(connection)
      return this.#refuse(socket, goingAway(), applicant.context.headers)
    }
    socket.off('error', ignore)
    return this.#accept(connection, applicant, socket, head)
  }

  async #answer(socket: Duplex, response: Response, headers?: Headers): Promise<false> {
    // A browser does not tell its page why: without this line, nobody could find out on this side.
    this.#hooks.services.log.debug({ status: response.status, code: refusedWith(response) }, 'a handshake was refused')
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

  #refuseForModule(socket: Duplex, error: FlotillaError): Promise<false> {
    this.#hooks.onError({ phase: 'handshake', error })
    return this.#refuse(socket, FAILED)
  }

  #applicantOf(
    { value: module, params }: Match<Module>,
    { url, path }: RequestTarget,
    ip: string,
    upgrade: IncomingMessage,
    socket: Duplex,
  ): Omit<Applicant, 'isLeaving'> {
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

  /** Returns the outcome itself, without a deadline, if no hook and no middleware waits for anything. */
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

  async #bind(admission: Admission, socket: Duplex): Promise<ClientConnection | undefined> {
    try {
      return await this.#connections.admit(admission)
    } catch (error) {
      const { isClosing } = this.#connections
      // It is no failure that the node closes, and the client need not look for one.
      const refusal = isClosing ? goingAway() : tellable(error, FAILED)
      if (refusal.status >= 500 && !isClosing) this.#hooks.onError({ phase: 'handshake', error })
      await this.#refuse(socket, refusal, admission.context.headers)
      return undefined
    }
  }

  #accept(connection: ClientConnection, applicant: Applicant, socket: Duplex, head: Buffer): boolean {
    let isOpen = false
    this.#accepting = applicant.context
    this.#acceptor.accept(applicant.upgrade, socket, head, (transport) => {
      isOpen = true
      this.#connections.opened(connection, applicant, transport, socket)
    })
    this.#accepting = undefined
    if (!isOpen) this.#connections.lost(connection)
    return isOpen
  }
}

/** A signal that aborts when the client goes away. */
function signalOf(socket: Duplex): AbortSignal {
  const abort = new AbortController()
  if (socket.destroyed) abort.abort()
  else socket.once('close', () => abort.abort())
  return abort.signal
}

function ignore(): void {}

const never = (): boolean => false

/**
 * The HTTP parser of a server that we are attached to silently drops every header after its 1,000th, and `Origin` could
 * be one of them. A handshake with far fewer is refused already.
 */
const MAX_HEADERS = 100

function headerFlawOf({ headers, rawHeaders }: IncomingMessage): FlotillaError | undefined {
  const { 'content-length': length = '0' } = headers
  // A proxy would treat as a body what would be read as frames here.
  if (length !== '0') return new FlotillaError('FLT_BAD_HANDSHAKE', 'a WebSocket handshake must not have a body')
  if (rawHeaders.length <= 2 * MAX_HEADERS) return undefined
  return new FlotillaError('FLT_TOO_MANY_HEADERS', `a handshake may have at most ${MAX_HEADERS} headers: send fewer`)
}

/**
 * The subprotocol is written into the answer as it is. If the client did not offer it, it could contain a line break.
 */
function protocolFlawOf({ context: { protocol }, upgrade }: Applicant): FlotillaError | undefined {
  if (protocol === undefined) return undefined
  const offered = upgrade.headers['sec-websocket-protocol'] ?? ''
  if (offered.split(',').some((name) => name.trim() === protocol)) return undefined
  return new FlotillaError(
    'FLT_BAD_MODULE',
    `ctx.protocol is ${JSON.stringify(protocol)}, which the client did not offer: set one that it offered`,
  )
}

const tooSlow = (): FlotillaError =>
  new FlotillaError('FLT_TIMEOUT', 'the server took too long to answer the handshake: try again')

const NOT_READY = new FlotillaError('FLT_STORE_AWAY', 'this node has not joined the cluster yet: try again')
const FAILED = new FlotillaError('FLT_INTERNAL', 'the handshake failed on the server; see its log')
