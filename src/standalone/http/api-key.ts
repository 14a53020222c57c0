import { createHash, timingSafeEqual } from 'node:crypto'
import { FlotillaError, type Logger } from '../../index.ts'

/** The same as for a secret that signs tokens. */
const MIN_BYTES = 32
/** Wrong keys that one network may send at once before it is slowed down to one a second. */
const BURST = 10
const LEAK_PER_MS = 1 / 1_000
/** How long a network that sent the right key is not slowed down, in ms. */
const TRUSTED_FOR = 3_600_000
/** How many networks to remember. Beyond that, the one whose last request is the oldest is forgotten. */
const MAX_NETWORKS = 10_000

/** A network that has sent wrong keys, as a leaky bucket. */
interface Guesser {
  level: number
  at: number
  isLogged: boolean
}

/**
 * Checks the key of the HTTP API. A network that guesses is slowed down, unless it has also sent the right key lately.
 * Otherwise an attacker could shut out others behind the same address, or behind a proxy that is not in `trustProxy`.
 */
export class ApiKey {
  /** Requests that were refused because of their key. */
  wrongCount = 0
  #digest: Buffer | undefined
  readonly #logger: Logger
  readonly #guessers = new Map<string, Guesser>()
  /** When each network last sent the right key. */
  readonly #trusted = new Map<string, number>()

  constructor(key: string | undefined, logger: Logger) {
    this.#logger = logger
    this.change(key)
  }

  /** Whether there is a key at all. */
  get isSet(): boolean {
    return this.#digest !== undefined
  }

  change(key: string | undefined): void {
    this.#digest = key === undefined ? undefined : digestOf(key)
    if (key !== undefined && key.length < MIN_BYTES) warnOfWeak(key.length)
  }

  /** @throws FlotillaError `FLT_UNAUTHORIZED`; `FLT_TOO_MANY`, without a comparison, if the network guesses too fast */
  check(given: string, network: string): void {
    const now = performance.now()
    const guesser = this.#guessers.get(network)
    if (guesser !== undefined && this.#isTooFast(guesser, network, now)) throw this.#refused('FLT_TOO_MANY', TOO_FAST)
    if (this.#digest === undefined || !timingSafeEqual(digestOf(given), this.#digest)) {
      this.#note(guesser ?? { level: 0, at: now, isLogged: false }, network)
      throw this.#refused('FLT_UNAUTHORIZED', 'the API key is wrong')
    }
    remember(this.#trusted, network, now)
  }

  #isTooFast(guesser: Guesser, network: string, now: number): boolean {
    guesser.level = Math.max(0, guesser.level - (now - guesser.at) * LEAK_PER_MS)
    guesser.at = now
    if (guesser.level === 0) this.#guessers.delete(network)
    if (guesser.level + 1 <= BURST) return false
    if (!guesser.isLogged) this.#logger.warn({ network }, 'too many wrong API keys: somebody may be guessing')
    guesser.isLogged = true
    return now - (this.#trusted.get(network) ?? -Infinity) > TRUSTED_FOR
  }

  #note(guesser: Guesser, network: string): void {
    guesser.level = Math.min(BURST, guesser.level + 1)
    remember(this.#guessers, network, guesser)
  }

  #refused(code: 'FLT_TOO_MANY' | 'FLT_UNAUTHORIZED', message: string): FlotillaError {
    this.wrongCount++
    return new FlotillaError(code, message)
  }
}

const TOO_FAST = 'too many wrong API keys came from your address: wait a second, then send the right one'

/** Deleting an entry first moves it to the end of the map, so the first entry is always the oldest. */
function remember<T>(memory: Map<string, T>, network: string, value: T): void {
  memory.delete(network)
  memory.set(network, value)
  if (memory.size <= MAX_NETWORKS) return
  const [oldest] = memory.keys()
  memory.delete(oldest!)
}

/** Digests have one length, so comparing two takes the same time wherever the keys differ. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function warnOfWeak(length: number): void {
  const message = `--api-key has ${length} bytes and can be guessed: use ${MIN_BYTES} random ones, such as "openssl rand -hex 32" prints`
  process.emitWarning(message, { type: 'SecurityWarning', code: 'FLT_WEAK_SECRET' })
}
