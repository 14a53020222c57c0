import { createRemoteJWKSet, type CryptoKey, customFetch, errors, type JWTVerifyGetKey, type RemoteJWKSet } from 'jose'
import type { Logger } from '../logger.ts'

/** All in ms. */
export interface KeySetTimes {
  /** Keys that are older are asked for again. */
  readonly freshFor: number
  /** Keys that are older count no more, whatever the endpoint does. */
  readonly staleFor: number
  /** Between an answer and the next request: a token that names an unknown key cannot bring it forward. */
  readonly pause: number
  /** The same after a failure; it doubles with each further one, up to `longestPause`. */
  readonly firstPause: number
  readonly longestPause: number
  /** For one request, body and all. */
  readonly timeout: number
}

const TIMES: KeySetTimes = {
  freshFor: 600_000,
  staleFor: 24 * 3_600_000,
  pause: 30_000,
  firstPause: 1_000,
  longestPause: 60_000,
  timeout: 5_000,
}

type Find = (...asked: [...Parameters<JWTVerifyGetKey>, log: Logger]) => Promise<CryptoKey>

/**
 * The keys that an endpoint publishes (RFC 7517 §5). jose reads them and picks one; when the endpoint is asked, and how
 * long its answer counts, is decided here. It is asked only because of a handshake, and never by two of them at once.
 */
export class KeySet {
  readonly #url: URL
  readonly #times: KeySetTimes
  readonly #remote: RemoteJWKSet
  #fetchedAt = Number.NEGATIVE_INFINITY
  #askAgainAt = Number.NEGATIVE_INFINITY
  /** In a row. */
  #failureCount = 0
  #asking: Promise<void> | undefined
  #isReported = false

  constructor(url: URL, times: Partial<KeySetTimes> = {}) {
    this.#url = url
    this.#times = { ...TIMES, ...times }
    // It fetches when it is told to, and at no other time.
    const never = { cacheMaxAge: Number.POSITIVE_INFINITY, cooldownDuration: Number.POSITIVE_INFINITY }
    this.#remote = createRemoteJWKSet(url, {
      ...never,
      timeoutDuration: this.#times.timeout,
      [customFetch]: fetchKeys,
    })
  }

  /**
   * The key that a token names.
   *
   * @throws KeysAway if it is not known, and cannot be asked for now; errors of jose that say what is wrong with the token.
   */
  readonly find: Find = async (header, token, log) => {
    if (!this.#areFresh) {
      const asking = this.#ask(log)
      // While the endpoint fails nobody waits for it who can do with the keys that are known.
      if (!this.#areUsable || this.#failureCount === 0) await asking
    }
    if (!this.#areUsable) throw new KeysAway('no keys are known')
    try {
      return await this.#remote(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#ask(log)
      // It may be a new key, which nobody can tell as long as the endpoint fails.
      if (this.#failureCount > 0) throw new KeysAway('the key is not among those that are known', { cause: error })
      return this.#remote(header, token)
    }
  }

  /** Says once between two requests what is wrong with the endpoint, however many handshakes meet it. */
  report(error: unknown, log: Logger): void {
    if (this.#isReported) return
    this.#isReported = true
    const keys = `${this.#url.origin}${this.#url.pathname}`
    const meanwhile = this.#areUsable ? 'those that are known count meanwhile' : 'no token can be checked meanwhile'
    log.error({ error, keys, failureCount: this.#failureCount }, `the keys of tokens cannot be used: ${meanwhile}`)
  }

  get #areFresh(): boolean {
    return performance.now() - this.#fetchedAt <= this.#times.freshFor
  }

  get #areUsable(): boolean {
    return performance.now() - this.#fetchedAt <= this.#times.staleFor
  }

  /** Asks the endpoint, or joins who is asking; undefined during a pause. Never rejects. */
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

/** Tokens cannot be checked, whatever they are worth. */
export class KeysAway extends Error {
  override readonly name = 'KeysAway'
}

/** A key has about 2 kB with its certificates; large providers publish ten. */
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 100

/** `fetch`, with an answer that is bounded and looked at before it takes the place of the keys that are known. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options)
  if (answer.status !== 200 || answer.body === null) {
    await answer.body?.cancel()
    throw new Error(
      `the endpoint of keys answered ${answer.status}${REDIRECTS.test(`${answer.status}`) ? REDIRECTED : ''}`,
    )
  }
  const { keys } = (JSON.parse(await readBounded(answer.body)) ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS)
    throw new Error(`the endpoint of keys answered without a list of 1 to ${MAX_KEYS} keys (RFC 7517 §5)`)
  return Response.json({ keys })
}

const REDIRECTS = /^3\d\d$/
const REDIRECTED = ', and redirects are not followed: give the URL that it leads to'

async function readBounded(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    // To leave the loop cancels the rest.
    if (size > MAX_BYTES) throw new Error(`the endpoint of keys answered more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
