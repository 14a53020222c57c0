import type { IncomingMessage, ServerResponse } from 'node:http'
import { FlotillaError, type Logger, type Server } from '../../index.ts'
import { isProbeFromThisMachine } from '../common/loopback.ts'
import { publicError } from './api-error.ts'
import { requestPath } from './request-path.ts'

const PATIENCE = 1_000
/** HAProxy asks with OPTIONS unless its configuration names a method. */
const METHODS = ['GET', 'HEAD', 'OPTIONS']

interface Answer {
  readonly status: number
  readonly body: object
}

const OK: Answer = { status: 200, body: { status: 'ok' } }

/**
 * Answers `/healthz` and `/readyz`. Load balancers often ask with HTTP/1.0 and without `Host`, which has no meaning for
 * the API, so these two paths are answered here instead.
 */
export class Health {
  readonly #server: Server
  readonly #logger: Logger
  readonly #dev: boolean
  /** Shared by all who ask while a check runs: anyone may ask, and each check costs the store something. */
  #checking: Promise<Answer> | undefined
  #wasReady = true

  constructor(server: Server, dev: boolean, logger: Logger) {
    this.#server = server
    this.#logger = logger
    this.#dev = dev
  }

  /** Answers the request if it is a probe. */
  answers(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const path = requestPath(incoming.url ?? '')
    if (path !== '/healthz' && path !== '/readyz') return false
    void this.#answerOf(incoming, path).then((answer) => write(outgoing, answer))
    return true
  }

  async #answerOf({ method = '', headers }: IncomingMessage, path: string): Promise<Answer> {
    if (this.#dev && !isProbeFromThisMachine((name) => headers[name]?.toString())) return refusal(NOT_HERE)
    if (!METHODS.includes(method)) {
      return refusal(new FlotillaError('FLT_BAD_METHOD', `${path} does not take ${method}: use GET or HEAD`))
    }
    if (path === '/healthz') return OK
    this.#checking ??= this.#check().finally(() => (this.#checking = undefined))
    return await this.#checking
  }

  async #check(): Promise<Answer> {
    try {
      await this.#server.health(PATIENCE)
      if (!this.#wasReady) this.#logger.info({}, 'ready again')
      this.#wasReady = true
      return OK
    } catch (error) {
      return this.#notReady(error)
    }
  }

  /** Logs only the first of several checks that fail, because proxies ask each second. */
  #notReady(error: unknown): Answer {
    const reason = error instanceof FlotillaError ? error.details?.['reason'] : undefined
    if (this.#wasReady && reason !== 'draining') this.#logger.warn({ error }, 'not ready')
    this.#wasReady = false
    const told = publicError(error, SILENT)
    return { status: 503, body: { status: 'not ready', reason: reason ?? 'store', ...told.toJSON() } }
  }
}

const NOT_HERE = new FlotillaError('FLT_FORBIDDEN', 'with --dev only this machine is served: ask for localhost')

const ignore = (): void => {}
const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

function refusal(error: FlotillaError): Answer {
  return { status: error.status, body: error }
}

function write(outgoing: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body)
  // For a HEAD request, Node leaves the body out.
  outgoing.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    ...((status === 405 || outgoing.req.method === 'OPTIONS') && { Allow: METHODS.join(', ') }),
  })
  outgoing.end(text)
}
