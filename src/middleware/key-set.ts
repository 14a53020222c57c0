import { createRemoteJWKSet, type CryptoKey, customFetch, errors, type JWTVerifyGetKey, type RemoteJWKSet } from 'jose'
import type { Logger } from '../logger.ts'

/** All in ms. */
export interface KeySetTimes {
  /** Keys that are older are fetched again. */
  readonly freshFor: number
  /** Keys that are older are no longer used, whatever the endpoint does. */
  readonly staleFor: number
  /** The pause between an answer and the next request. A token that names an unknown key cannot shorten it. */
  readonly pause: number
  /** The pause after a failure. It doubles with each further failure, up to `longestPause`. */
  readonly firstPause: number
  readonly longestPause: number
  /** The limit for one request, including the body of its answer. */
  readonly timeout: number
}

const TIMES: KeySetTimes = {
  freshFor: 600_000,
  staleFor: 24 * 3_600_000,
  pause: 5_000,
  firstPause: 1_000,
  longestPause: 60_000,
  timeout: 5_000,
}

type Find = (...asked: [...Parameters<JWTVerifyGetKey>, log: Logger]) => Promise<CryptoKey>

/**
 * The keys that an endpoint publishes (RFC 7517 §5). jose parses the keys and selects one; this class decides when the
 * endpoint is asked and for how long its answer counts. The endpoint is only asked because a handshake needs it, and by
 * one request at a time.
 */
export class KeySet {
  readonly #url: URL
  readonly #times: KeySetTimes
  readonly #remote: RemoteJWKSet
  #fetchedAt = Number.NEGATIVE_INFINITY
  #askAgainAt = Number.NEGATIVE_INFINITY
  /** How many requests have failed in a row. */
  #failureCount = 0
  #asking: Promise<void> | undefined
  #isReported = false

  constructor(url: URL, times: Partial<KeySetTimes> = {}) {
    this.#url = url
    this.#times = { ...TIMES, ...times }
    // jose must not fetch by itself: `reload` decides when.
    const never = { cacheMaxAge: Number.POSITIVE_INFINITY, cooldownDuration: Number.POSITIVE_INFINITY }
    this.#remote = createRemoteJWKSet(url, {
      ...never,
      timeoutDuration: this.#times.timeout,
      [customFetch]: fetchKeys,
    })
  }

  /**
   * Finds the key that a token names.
   *
   * @throws KeysAway if the key is not known and cannot be fetched now. Errors of jose say what is wrong with the
   * token.
   */
  readonly find: Find = async (header, token, log) => {
    if (!this.#areFresh) {
      const asking = this.#ask(log)
      // If the endpoint has failed and there are known keys, they are used without waiting for it.
      if (!this.#areUsable || this.#failureCount === 0) await asking
    }
    if (!this.#areUsable) throw this.#away('no keys are known')
    try {
      return await this.#remote(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#ask(log)
      // The key may be new. While the endpoint fails, nobody can tell.
      if (this.#failureCount > 0) throw this.#away('the key is not among those that are known', { cause: error })
      return this.#remote(header, token)
    }
  }

  /** Logs what is wrong with the endpoint: once between two requests, however many handshakes are affected. */
  report(error: unknown, log: Logger): void {
    if (this.#isReported) return
    this.#isReported = true
    const keys = `${this.#url.origin}${this.#url.pathname}`
    const meanwhile = this.#areUsable ? 'known keys are used meanwhile' : 'no token can be checked meanwhile'
    log.error({ error, keys, failureCount: this.#failureCount }, `the keys of tokens cannot be used: ${meanwhile}`)
  }

  #away(message: string, options?: ErrorOptions): KeysAway {
    return new KeysAway(message, Math.max(0, this.#askAgainAt - performance.now()), options)
  }

  get #areFresh(): boolean {
    return performance.now() - this.#fetchedAt <= this.#times.freshFor
  }

  get #areUsable(): boolean {
    return performance.now() - this.#fetchedAt <= this.#times.staleFor
  }

  /** Asks the endpoint, or joins the request in progress. Undefined during a pause. Never rejects. */
  #ask(log: Logger): Promise<void> | undefined {
    if (this.#asking === undefined && performance.now() >= this.#askAgainAt) {
      this.#isReported = false
      this.#asking = this.#fetch(log).finally(() => (this.#asking = undefined))
    }
    return this.#asking
  }

  async #fetch(log: Logger): Promise<void> {
    const { pause, firstPause, longestPause } = this.#times
    try {
      await this.#remote.reload()
      this.#failureCount = 0
      this.#fetchedAt = performance.now()
      this.#askAgainAt = this.#fetchedAt + pause
    } catch (error) {
      this.#askAgainAt = performance.now() + Math.min(longestPause, firstPause * 2 ** this.#failureCount)
      this.#failureCount++
      this.report(error, log)
    }
  }
}

/** No token can be checked now, whether it is valid or not. */
export class KeysAway extends Error {
  override readonly name = 'KeysAway'
  /** The rest of the pause until the endpoint is asked again, in ms. */
  readonly wait: number

  constructor(message: string, wait: number, options?: ErrorOptions) {
    super(message, options)
    this.wait = wait
  }
}

/** A key with its certificates has about 2 kB, and large providers publish about ten keys. */
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 100

/** Fetches the keys. The answer is limited in size and checked before it replaces the known keys. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options)
  if (answer.status !== 200 || answer.body === null) {
    await answer.body?.cancel()
    throw new Error(`the key endpoint answered ${answer.status}${REDIRECTS.test(`${answer.status}`) ? REDIRECTED : ''}`)
  }
  const { keys } = (JSON.parse(await readBounded(answer.body)) ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS)
    throw new Error(`the key endpoint did not answer with a list of 1 to ${MAX_KEYS} keys (RFC 7517 §5)`)
  return Response.json({ keys })
}

const REDIRECTS = /^3\d\d$/
const REDIRECTED = ', and redirects are not followed: give the URL that it redirects to'

async function readBounded(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    // Leaving the loop cancels the rest of the body.
    if (size > MAX_BYTES) throw new Error(`the key endpoint answered with more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
