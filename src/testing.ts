// Helpers for testing applications built on Flotilla: a server on a free port, and clients that collect their messages.
import type { IncomingMessage } from 'node:http'
import { isNativeError } from 'node:util/types'
import { type RawData, WebSocket } from 'ws'
import { memory } from './drivers/memory/memory.ts'
import { FlotillaError } from './errors.ts'
import { checkNames } from './lib/checked-names.ts'
import { shown } from './lib/shown.ts'
import type { ServerOptions } from './options.ts'
import { createServer, type Server } from './server.ts'

/** A server for tests. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server
  /** The server's URL, `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Connects a client to a path of this server. */
  connect(path: string, options?: ConnectOptions): Promise<TestClient>
  /** Closes the clients and the server. */
  close(): Promise<void>
}

/** The handshake, and how long to wait. */
export interface ConnectOptions {
  headers?: Record<string, string> | undefined
  protocols?: string[] | undefined
  /**
   * How long the handshake may take, and how long the client's `next` waits for a message, in ms. Default 4000, which is
   * less than the 5 s of Vitest and Jest, so that the error says what was missing. The environment variable
   * `FLOTILLA_TEST_TIMEOUT` sets another default, such as for a slow machine.
   */
  timeout?: number | undefined
}

/** How long to wait. */
export interface NextOptions {
  /** In ms. Default: what `connect` was given. */
  timeout?: number | undefined
}

/** Starts a server on a free port of 127.0.0.1, with a memory driver of its own if no driver is given. */
export async function startTestServer(options: ServerOptions): Promise<TestServer> {
  const server = createServer({ ...options, driver: options.driver ?? memory({ isolated: true }) })
  const url = await server.listen(0)
  const clients: TestClient[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) client.close()
    await server.close()
  }
  const connectTo = async (path: string, connectOptions?: ConnectOptions): Promise<TestClient> => {
    const client = await connect(`${url}${path}`, connectOptions)
    clients.push(client)
    return client
  }
  return {
    server,
    url,
    close,
    connect: function connectHere(path, connectOptions): Promise<TestClient> {
      return forTest(connectHere, connectTo(path, connectOptions))
    },
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Connects a client. Resolves once the connection is open.
 *
 * @throws RefusedError if the server refuses the handshake; it has the status and the body of the answer
 */
export function connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
  return forTest(connect, open(url, options))
}

async function open(url: string, options: ConnectOptions): Promise<TestClient> {
  checkNames('connect', options, ['headers', 'protocols', 'timeout'])
  const { headers = {}, protocols = [] } = options
  const timeout = parseTimeout('connect', options.timeout ?? defaultTimeout())
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { headers, handshakeTimeout: timeout })
  const client = new TestClient(socket, timeout)
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    // It stays: an error after the handshake shows in the close code, and must not end the process.
    socket.on('error', reject)
    socket.once('unexpected-response', (request, response) => {
      void refusalOf(response)
        .then(reject, reject)
        .finally(() => request.destroy())
    })
  })
  return client
}

/** The server refused the handshake. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body of the answer: JSON as its value, anything else as a text. */
  readonly body: unknown
  /** The code of Flotilla's error, such as `FLT_UNAUTHORIZED`, if the answer is one. */
  readonly code: string | undefined

  constructor(status: number, headers: RefusedError['headers'], body: unknown) {
    const { code, message } = errorIn(body)
    const reason = message ?? (body === '' ? 'it gave no reason' : shown(body))
    super(`the server refused the connection with ${status}: ${reason}`)
    this.status = status
    this.headers = headers
    this.body = body
    this.code = code
  }
}

/** A client that keeps the messages it receives until the test asks for them. */
export class TestClient {
  readonly socket: WebSocket
  /** Resolves when the connection has closed. */
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #timeout: number
  readonly #received: (string | Uint8Array)[] = []
  readonly #waiting: Waiting[] = []
  #end: End | undefined

  /** @param timeout how long `next` waits, in ms */
  constructor(socket: WebSocket, timeout = defaultTimeout()) {
    this.socket = socket
    this.#timeout = timeout
    socket.on('message', (data, isBinary) => this.#take(data, isBinary))
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        const end = { code, reason: reason.toString() }
        this.#end = end
        resolve(end)
        for (const { reject } of this.#waiting.splice(0)) reject(closedError(end))
      })
    })
  }

  /**
   * The next message, as a string or as bytes. Waits for it if none has arrived.
   *
   * @throws FlotillaError `FLT_TIMEOUT` if none arrives in time; `FLT_CLOSED` if the connection closes before, with the
   * code and the reason in `details`
   */
  next(options: NextOptions = {}): Promise<string | Uint8Array> {
    return forTest(TestClient.prototype.next, this.#next(options))
  }

  /**
   * The next message, parsed as JSON.
   *
   * @throws FlotillaError as `next` does, and `FLT_BAD_JSON` if the message is not JSON
   */
  nextJson(options: NextOptions = {}): Promise<unknown> {
    return forTest(TestClient.prototype.nextJson, this.#next(options).then(parseJson))
  }

  /** The messages that have arrived and that `next` has not returned yet. */
  get received(): readonly (string | Uint8Array)[] {
    return this.#received
  }

  /** Sends a message: a string as text, a `Uint8Array` as bytes, and anything else as JSON. */
  send(message: unknown): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array
    this.socket.send(isRaw ? message : JSON.stringify(message))
  }

  close(code?: number): void {
    this.socket.close(code)
  }

  async #next(options: NextOptions): Promise<string | Uint8Array> {
    checkNames('next', options, ['timeout'])
    const timeout = parseTimeout('next', options.timeout ?? this.#timeout)
    const ready = this.#received.shift()
    if (ready !== undefined) return ready
    if (this.#end !== undefined) throw closedError(this.#end)
    return await this.#arrival(timeout)
  }

  #arrival(timeout: number): Promise<string | Uint8Array> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new FlotillaError('FLT_TIMEOUT', `no message came within ${timeout} ms`))
      }
      const timer = setTimeout(giveUp, timeout)
      const waiting: Waiting = {
        resolve(message) {
          clearTimeout(timer)
          resolve(message)
        },
        reject(error) {
          clearTimeout(timer)
          reject(error)
        },
      }
      this.#waiting.push(waiting)
    })
  }

  #take(data: RawData, isBinary: boolean): void {
    const message = isBinary ? new Uint8Array(data as Buffer) : (data as Buffer).toString()
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#received.push(message)
    else waiting.resolve(message)
  }
}

interface End {
  readonly code: number
  readonly reason: string
}

/** A call of `next` that no message has come for. */
interface Waiting {
  resolve(message: string | Uint8Array): void
  reject(error: FlotillaError): void
}

/**
 * Returns the promise as it is, for a test that may await it later: a rejection that is not awaited at once would end the
 * process. Its error has the stack of the test's call of `called`, because the timer or socket that it comes from says
 * nothing of the test.
 */
function forTest<T>(called: (...args: never[]) => Promise<T>, promise: Promise<T>): Promise<T> {
  const caller = new Error()
  Error.captureStackTrace(caller, called)
  promise.catch((error: unknown) => {
    // Jest has an `Error` of its own, of which those of Node are no instances.
    if (isNativeError(error)) error.stack = `${String(error)}\n${framesOf(caller)}`
  })
  return promise
}

/** The lines of an error's stack that name places. */
function framesOf({ stack = '' }: Error): string {
  return stack.slice(stack.indexOf('\n') + 1)
}

const TIMEOUT = 4_000
/** Longer ones overflow the timers of Node. */
const MAX_TIMEOUT = 2 ** 31 - 1

function defaultTimeout(): number {
  const variable = process.env['FLOTILLA_TEST_TIMEOUT']
  return variable ? parseTimeout('FLOTILLA_TEST_TIMEOUT', Number(variable)) : TIMEOUT
}

function parseTimeout(where: string, timeout: unknown): number {
  if (typeof timeout === 'number' && timeout > 0 && timeout <= MAX_TIMEOUT) return timeout
  throw new FlotillaError('FLT_BAD_OPTION', `${where}: the timeout must be a time in ms above 0, not ${shown(timeout)}`)
}

function closedError({ code, reason }: End): FlotillaError {
  const message = `the connection closed with ${code}${reason && ` (${reason})`} before a message came`
  return new FlotillaError('FLT_CLOSED', message, { details: { code, reason } })
}

/** Most bytes of a refusal that are kept. */
const MAX_BODY = 1_048_576

async function refusalOf(response: IncomingMessage): Promise<RefusedError> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_BODY) break
  }
  const { statusCode = 0, headers } = response
  const text = Buffer.concat(chunks).toString()
  return new RefusedError(statusCode, headers, isJson(headers['content-type']) ? valueOf(text) : text)
}

function isJson(type = ''): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(type)
}

/** The value of a JSON text, or the text itself if it is not JSON. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function errorIn(body: unknown): { code?: string; message?: string } {
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { error?: unknown }
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code !== 'string' || typeof message !== 'string') return {}
  return { code, message: `${code}: ${message}` }
}

function parseJson(message: string | Uint8Array): unknown {
  const text = typeof message === 'string' ? message : Buffer.from(message).toString()
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new FlotillaError('FLT_BAD_JSON', `the message is not JSON: ${shown(text)}`, { cause })
  }
}
