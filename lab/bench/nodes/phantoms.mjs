import { createServer, IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

const AT_ONCE = 200
const PATIENCE_MS = 60_000

/** A socket that accepts everything that is written, and never sends anything. */
class PhantomSocket extends Duplex {
  remoteAddress = '127.0.0.1'
  #answered

  /** @param {() => void} answered Called once the server has sent something. */
  constructor(answered) {
    super()
    this.#answered = answered
  }

  _read() {}

  _write(_chunk, _encoding, done) {
    this.#answered?.()
    this.#answered = undefined
    done()
  }

  setNoDelay() {
    return this
  }

  setKeepAlive() {
    return this
  }

  setTimeout() {
    return this
  }
}

/**
 * Connections without a client. A server that is attached to Node's own HTTP server sees upgrade requests like any
 * other. They open no files, of which a process may have only 20,000, so memory alone limits their number.
 */
export class Phantoms {
  #answered = 0

  /**
   * Resolves once all are connected. In `path`, %d is replaced by the index.
   *
   * @param {{ attach(http: import('node:http').Server): void, stats(): { connectionCount: number } }} server
   * @param {{ count: number, path: string }} plan
   */
  static async join(server, { count, path }) {
    const http = createServer()
    server.attach(http)
    const before = server.stats().connectionCount
    const phantoms = new Phantoms()
    for (let index = 0; index < count; index++) {
      knock(http, path.replaceAll('%d', String(index)), () => phantoms.#answered++)
      await phantoms.#hasAnswered(index - AT_ONCE)
    }
    await phantoms.#hasAnswered(count)
    const joined = server.stats().connectionCount - before
    if (joined < count) throw new Error(`only ${joined} of ${count} phantoms were let in`)
    return {}
  }

  /** @param {number} count */
  async #hasAnswered(count) {
    const deadline = performance.now() + PATIENCE_MS
    while (this.#answered < count && performance.now() < deadline) await nextTurn()
  }
}

/**
 * @param {import('node:http').Server} http
 * @param {string} url
 * @param {() => void} answered
 */
function knock(http, url, answered) {
  const socket = new PhantomSocket(answered)
  const headers = {
    host: '127.0.0.1',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'ZmxvdGlsbGEtYmVuY2gtMQ==',
  }
  const request = Object.assign(new IncomingMessage(/** @type {any} */ (socket)), {
    method: 'GET',
    url,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers,
    rawHeaders: Object.entries(headers).flat(),
  })
  http.emit('upgrade', request, socket, Buffer.alloc(0))
}
