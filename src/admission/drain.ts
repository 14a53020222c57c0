import type { Server as HttpServer, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { FlotillaError } from '../errors.ts'
import { atMost } from '../lib/deadline.ts'
import { shown } from '../lib/shown.ts'

/** ms */
const MAX_DELAY = 3_600_000

/**
 * How a server goes. While it drains, it serves everyone as before, but says that it is not ready, so that whoever
 * chooses among nodes chooses others, and kept-alive HTTP connections end with their next answer. Then it closes. What
 * else a node does between the two, such as sending its clients away bit by bit, belongs here.
 */
export class Drain {
  readonly #answers = new Set<ServerResponse>()
  readonly #closing = new AbortController()
  #http: HttpServer | undefined
  #flaw: FlotillaError | undefined
  #allAnswered: (() => void) | undefined

  /** Why the server is not ready. Undefined as long as it has not begun to go. */
  get flaw(): FlotillaError | undefined {
    return this.#flaw
  }

  /** Follows every HTTP request of a server that Flotilla made until it is answered. */
  follow(http: HttpServer): void {
    this.#http = http
    // This must run before the listener, which may answer at once.
    http.prependListener('request', (_, response) => {
      this.#answers.add(response)
      if (this.#flaw !== undefined) endAfter(response)
      response.on('close', () => this.#answered(response))
    })
  }

  /**
   * Resolves after `delay` ms, or when the server closes.
   *
   * @throws FlotillaError `FLT_BAD_OPTION`
   */
  async begin(delay: number): Promise<void> {
    if (!Number.isInteger(delay) || delay < 0 || delay > MAX_DELAY)
      throw new FlotillaError('FLT_BAD_OPTION', `delay is ${shown(delay)}: give a whole number from 0 to ${MAX_DELAY}`)
    this.#flaw ??= DRAINING
    for (const response of this.#answers) endAfter(response)
    const { signal } = this.#closing
    await sleep(delay, undefined, { signal }).catch(() => {})
  }

  /** From now on the server closes. */
  close(): void {
    this.#flaw = CLOSED
    this.#closing.abort()
    for (const response of this.#answers) endAfter(response)
  }

  /** Resolves once all requests that have come are answered, but after `timeout` ms at the latest. */
  async answered(timeout: number): Promise<void> {
    if (this.#answers.size === 0) return
    await atMost(timeout, new Promise<void>((resolve) => (this.#allAnswered = resolve)))
  }

  #answered(response: ServerResponse): void {
    this.#answers.delete(response)
    if (this.#flaw !== CLOSED) return
    // The headers of this answer may have gone out before the server began to go, and promised to keep the connection.
    setImmediate(() => this.#http?.closeIdleConnections())
    if (this.#answers.size === 0) this.#allAnswered?.()
  }
}

/** Makes the answer say `Connection: close`, unless its headers have gone out (RFC 9112 §9.6). */
function endAfter(response: ServerResponse): void {
  response.shouldKeepAlive = false
}

const DRAINING = new FlotillaError('FLT_CLOSED', 'this node is about to close: use another one', {
  details: { reason: 'draining' },
})
const CLOSED = new FlotillaError('FLT_CLOSED', 'this node is closing: use another one', {
  details: { reason: 'closed' },
})
