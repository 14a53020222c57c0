import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Server as HttpServer } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from '../logger.ts'

/** Descriptors that new clients must leave free for the store, for files and for everything else, if there are many. */
const RESERVE = 32
/** What a node needs besides its connections: Node itself has about 25, the store and HTTP calls take the rest. */
const NEEDED = 100
/** ms */
const LOG_PAUSE = 10_000
/** ms */
const PROBE = 1_000

/**
 * Watches the file descriptors of this process. If there are none left, Node accepts each new client and closes it at
 * once, and tells nobody. So clients are turned away a little earlier, while that can still be logged and counted.
 */
export class Descriptors {
  /** How often a client came or a probe ran while there was hardly a descriptor left. */
  shortCount = 0
  readonly #logger: Logger
  readonly #max: number
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(maxConnections: number, logger: Logger, max = maxOpenFiles()) {
    this.#logger = logger
    this.#max = max
    if (maxConnections === 0 || max >= maxConnections + NEEDED) return
    logger.warn(
      { maxOpenFiles: max, maxConnections },
      `this process may open only ${max} files, too few for maxConnections: raise the limit (ulimit -n, LimitNOFILE) to ${maxConnections + NEEDED} or more`,
    )
  }

  /** Whether this socket has taken one of the last descriptors. The kernel always gives out the lowest that is free. */
  isLast(socket: Duplex): boolean {
    const { fd = -1 } = (socket as { _handle?: { fd?: number } | null })._handle ?? {}
    if (fd < this.#max - Math.min(RESERVE, this.#max / 8)) return false
    this.#noteShort(undefined)
    return true
  }

  /** Notices when a listening server cannot accept, and when other code has taken even the descriptors in reserve. */
  follow(http: HttpServer): void {
    // Without a listener, one accept that fails would end the process.
    http.on('error', (error) => this.#failed(error, 'a client could not be accepted'))
    const probe = setInterval(() => this.#probe(), PROBE).unref()
    http.once('close', () => clearInterval(probe))
  }

  #probe(): void {
    try {
      closeSync(openSync('/dev/null', 'r'))
    } catch (error) {
      this.#failed(error, undefined)
    }
  }

  #failed(error: unknown, otherwise: string | undefined): void {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EMFILE' || code === 'ENFILE') this.#noteShort(error)
    else if (otherwise !== undefined) this.#logger.error({ error }, otherwise)
  }

  #noteShort(error: unknown): void {
    this.shortCount++
    const now = performance.now()
    if (now - this.#loggedAt < LOG_PAUSE) return
    this.#loggedAt = now
    this.#logger.error(
      { error, maxOpenFiles: this.#max, count: this.shortCount },
      'hardly a file descriptor is left, so new clients are turned away: raise the limit (ulimit -n, LimitNOFILE), or set maxConnections below it',
    )
  }
}

/** `ulimit -n`, which Node has no call for. Infinity if this system does not tell. */
function maxOpenFiles(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
