import { FlotillaError, isFlotillaError } from '../errors.ts'
import { withDeadline } from '../lib/deadline.ts'
import { retry } from '../lib/retry.ts'
import type { Logger } from '../logger.ts'

const RETRY_PAUSE = 250

interface StartupInit {
  /** Makes one attempt to join the cluster. */
  readonly join: () => Promise<void>
  /** ms for which a caller of `ready` waits. */
  readonly connectTimeout: number
  /** Rejects unless the store answers within so many ms. */
  readonly ping: (timeout: number) => Promise<void>
  readonly logger: Logger
}

/** Tries until the node has joined the cluster, and tells everyone who waits for that. */
export class Startup {
  readonly #init: StartupInit
  /** A caller that gives up is removed, because the start itself may take for ever. */
  readonly #waiting = new Set<(failure?: unknown) => void>()
  #started: Promise<void> | undefined
  #isDone = false
  #isClosed = false
  #failure: unknown

  constructor(init: StartupInit) {
    this.#init = init
  }

  /** Whether the node has joined: then nobody needs to wait. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Settles when the start does; `undefined` if it has not begun. */
  get started(): Promise<void> | undefined {
    return this.#started
  }

  /**
   * Rejects with `FLT_STORE_AWAY` if the start takes longer than `connectTimeout`, and with `FLT_BAD_OPTION` as soon as
   * the store says that no retry can help. The start goes on all the same.
   */
  ready(): Promise<void> {
    this.#started ??= this.#begin()
    if (this.#isDone || this.#isClosed) return this.#started
    const { connectTimeout } = this.#init
    let settle!: (failure?: unknown) => void
    const told = new Promise<void>((resolve, reject) => {
      settle = (failure) => (failure === undefined ? resolve() : reject(failure))
    })
    this.#waiting.add(settle)
    const late = new FlotillaError('FLT_STORE_AWAY', `this took more than ${connectTimeout} ms`)
    return withDeadline(told, connectTimeout, () => late)
      .catch(async (error: unknown) => {
        throw error === late ? await this.#whyLate() : error
      })
      .finally(() => this.#waiting.delete(settle))
  }

  async #whyLate(): Promise<FlotillaError> {
    // If no attempt has failed so far, the store is asked for the reason.
    const cause = this.#failure ?? (await this.#init.ping(1).catch((error: unknown) => error))
    const why = cause instanceof Error ? cause.message : 'the store answers, but too slowly: try again'
    const message = `could not join the cluster within ${this.#init.connectTimeout} ms: ${why}`
    return new FlotillaError('FLT_STORE_AWAY', message, { cause })
  }

  close(): void {
    this.#isClosed = true
  }

  #begin(): Promise<void> {
    const started = this.#start()
    started.then(
      () => this.#tellWaiting(),
      (error: unknown) => this.#tellWaiting(error),
    )
    return started
  }

  async #start(): Promise<void> {
    await retry(() => this.#join(), {
      pause: RETRY_PAUSE,
      isOver: () => this.#isClosed,
      onFailure: (error) => this.#failed(error),
    })
    if (!this.#isDone) throw new FlotillaError('FLT_CLOSED', 'the server was closed before it was in the cluster')
  }

  async #join(): Promise<void> {
    await this.#init.join()
    this.#isDone = true
  }

  #failed(error: unknown): void {
    const isNews = String(error) !== String(this.#failure)
    this.#failure = error
    if (isNews) this.#init.logger.warn({ error }, 'this node cannot join the cluster yet: trying again')
    if (isFlotillaError(error) && error.code === 'FLT_BAD_OPTION') this.#tellWaiting(error)
  }

  #tellWaiting(failure?: unknown): void {
    for (const settle of this.#waiting) settle(failure)
    this.#waiting.clear()
  }
}
